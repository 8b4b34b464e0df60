"""One report with everything in it, made of values, so that the golden files do not depend on the planner."""

from __future__ import annotations

from datetime import UTC, datetime

from kwatt.cli.report import Report
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.npu import Basis, NpuClass, OperatingPoint, Profile
from kwatt.model.plan import (
    Bound,
    BudgetUse,
    Placement,
    Plan,
    Reason,
    Rejection,
    Relaxation,
    Totals,
    Unplaced,
    Worth,
)
from kwatt.model.selectors import LabelSelector
from kwatt.model.snapshot import Budget, Service, Snapshot
from kwatt.observation.values import Invalid, Notice, NoticeReason
from kwatt.units import NO_POWER, Power, Throughput

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TRAFFIC, HAZARD = ServiceKey("city-traffic", "traffic"), ServiceKey("city-safety", "hazard")
FOOD, NOTES = ServiceKey("city-food", "food"), ServiceKey("city-food", "notes")
ATOM = Variant("rebellions-atom", "rebellions.ai/ATOM", 1, "")
RNGD = Variant("furiosa-rngd", "furiosa.ai/rngd", 2, "")


def rate(per_second: float) -> Throughput:
    return Throughput(round(per_second * 10**6))


def npu_class(name: str, basis: Basis) -> NpuClass:
    return NpuClass(
        name, (f"x/{name}",), LabelSelector(), 2**34, Power(17_240), Power(65_000), (), basis
    )


def service(key: ServiceKey, target: float, held: str | None = None) -> Service:
    return Service(key, "yolo", rate(target), held=held)


def placement(key: ServiceKey, variant: Variant, node: str, served: float, watts: str) -> Placement:
    planned = Power.parse(watts)
    return Placement(
        key, variant, "batch-8", node, 2, rate(served), planned + Power(2_400), planned
    )


def budget_use(
    name: str, cap: int, reserved: str, foreign: int, headroom: str, worth: Worth | None = None
) -> BudgetUse:
    return BudgetUse(
        name=name,
        cap=Power.of_watts(cap),
        host=Power.of_watts(120),
        idle=Power(68_960),
        reserved=Power.parse(reserved),
        foreign=Power.of_watts(foreign),
        headroom=Power.parse(headroom),
        planned=Power(329_600),
        draw=Power(648_560),
        nodes=12,
        worth=worth,
    )


SAVING = Worth("one more watt would save about 0.4 W of draw", {"watts": 1, "savedWatts": 0.4})
SERVING = Worth(
    "+24 W would serve city-safety/hazard in part (300 of 300.5 images/s more)",
    {"watts": 24, "service": "city-safety/hazard", "perSecond": 300.0, "unit": "images/s"},
)


REJECTIONS = (
    Rejection(
        "rebellions-atom",
        Reason.POWER_BUDGET_EXCEEDED,
        "rack-a1 has 0.44 W left, the service needs 24 W; held by city-traffic/traffic",
        {"needed": 24, "available": 0.44, "unit": "W", "heldBy": ("city-traffic/traffic",)},
    ),
    Rejection(
        "furiosa-rngd",
        Reason.LATENCY_UNREACHABLE,
        "the limit is 30 ms, no point states a p99",
        {"needed": 30, "available": None, "unit": "ms"},
    ),
)
TOTALS = Totals(
    planned=Power(329_600),
    reserved=Power(334_400),
    idle=Power(68_960),
    foreign=Power.of_watts(130),
    draw=Power(528_560),
    services=4,
    placed=2,
    partly=1,
    replicas=6,
    starts=4,
    moves=0,
    evictions=0,
)
PLAN = Plan(
    placements=(
        placement(FOOD, ATOM, "n1", 412.5, "41.2"),
        placement(HAZARD, RNGD, "n2", 600, "140.4"),
        placement(TRAFFIC, ATOM, "n1", 700.123456, "82.4"),
        placement(TRAFFIC, ATOM, "n3", 499.876544, "65.6"),
    ),
    unplaced=(
        Unplaced(
            HAZARD, rate(300.5), REJECTIONS, (Relaxation("+23.56 W on rack-a1", {"watts": 23.56}),)
        ),
    ),
    budgets=(
        budget_use("hall", 9000, "334.4", 130, "8346.64", SAVING),
        budget_use("rack-a1", 600, "334.4", 130, "-53.36", SERVING),
    ),
    totals=TOTALS,
    hash="0f1e2d3c",
    bound=Bound(Power(527_000), 0.296),
)
POINTS = (
    OperatingPoint(
        "rebellions-atom", 1, "batch-8", rate(412.5), Power(41_200), basis=Basis.MEASURED
    ),
    OperatingPoint("furiosa-rngd", 2, "batch-8", rate(600), Power(140_400)),
)
SNAPSHOT = Snapshot(
    now=NOW,
    classes={
        "rebellions-atom": npu_class("rebellions-atom", Basis.MEASURED),
        "furiosa-rngd": npu_class("furiosa-rngd", Basis.VENDOR),
    },
    profiles={"yolo": Profile("yolo", "images", 2**31, POINTS)},
    budgets=(
        Budget("hall", Power.of_watts(9000), NO_POWER, ("n1",)),
        Budget("rack-a1", Power.of_watts(600), NO_POWER, ("n1",), window="evening-peak"),
    ),
    services=(
        service(FOOD, 412.5, held="ModelProfile 'yolo' does not exist"),
        service(HAZARD, 900.5),
        service(TRAFFIC, 1200),
    ),
)
INVALID = Invalid(
    "InferenceService",
    "city-food",
    "notes",
    "spec.throughput.perSecond",
    "must be a rate per second above 0 and at most 1G",
)
NOTICE = Notice(
    "Node",
    "",
    "n9",
    NoticeReason.NODE_CONFLICT,
    "node n9 matches the NPUClasses a and b and is used for neither; narrow a nodeSelector",
)
REPORT = Report(SNAPSHOT, PLAN, (INVALID,), (NOTICE,))
EMPTY = Report(
    Snapshot(NOW),
    Plan((), (), (), Totals(*(NO_POWER,) * 5, 0, 0, 0, 0, 0, 0, 0), "e3b0"),
)
