"""Facts for the tests of statuses, from plain data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import builders as b
from kwatt.api.v1alpha1.model_profile import ModelProfileStatus
from kwatt.api.v1alpha1.npu_class import NPUClassStatus
from kwatt.model.feedback import Confidence, Drift, DriftDirection, Excess, ExcessReason
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import PointKey
from kwatt.model.npu import Basis
from kwatt.model.plan import BudgetUse, Placement, Reason, Rejection, Relaxation, Unplaced, Worth
from kwatt.model.snapshot import Coming
from kwatt.status.budgets import BudgetFacts
from kwatt.status.catalogue import describe_class, describe_profile
from kwatt.status.placements import ServiceFacts
from kwatt.status.routes import RouteFacts
from kwatt.units import Power

KEY = ServiceKey("city", "traffic")


def service_facts(given: dict[str, Any]) -> ServiceFacts:
    """Make the facts of one service; by default every figure is measured."""
    basis, of_class = (Basis(given.get(k, "Measured")) for k in ("pointBasis", "classBasis"))
    point = replace(b.point(100, 60, name="batch-8"), basis=basis)
    return ServiceFacts(
        key=KEY,
        generation=3,
        previous=None,
        target=b.rate(given["target"]) if "target" in given else None,
        profile=b.profile(point) if given.get("profile", "yolo") else None,
        classes={"atom": b.npu_class(basis=of_class)},
        rows=tuple(_row(**row) for row in given.get("rows", ())),
        unplaced=_unplaced(**given["unplaced"]) if "unplaced" in given else None,
        ready={b.variant(): given.get("ready", 0)},
        problem=given.get("problem"),
        failure=given.get("failure"),
        exceeded=tuple(given.get("exceeded", ())),
        unknown_class=given.get("unknownClass"),
        moving=given.get("moving", False),
        route=_route(**given["route"]) if "route" in given else None,
        followed=b.rate(given["followed"]) if "followed" in given else None,
    )


def _row(node: str, replicas: int, rate: float, watts: float, point: str = "batch-8") -> Placement:
    reserved = b.watts(60 * replicas)
    return Placement(
        KEY, b.variant(), point, node, replicas, b.rate(rate), reserved, b.watts(watts)
    )


def _route(weights: dict[str, int] | None = None, **facts: Any) -> RouteFacts:
    return RouteFacts("infra/public", "traffic", weights=tuple((weights or {}).items()), **facts)


def _unplaced(shortfall: float, rejections: Any = (), nearest: Any = ()) -> Unplaced:
    return Unplaced(
        KEY,
        b.rate(shortfall),
        tuple(Rejection(r["npuClass"], Reason(r["reason"]), r["message"], {}) for r in rejections),
        tuple(Relaxation(change, {}) for change in nearest),
    )


def budget_facts(given: dict[str, Any]) -> BudgetFacts:
    """Make the facts of one budget."""
    return BudgetFacts(
        generation=2,
        previous=None,
        use=_use(**given["use"]) if "use" in given else None,
        window=given.get("window"),
        left_now=Power.parse(given.get("left", 0)),
        problem=given.get("problem"),
        coming=_coming(**given["coming"]) if "coming" in given else None,
        excess=_excess(**given["excess"]) if "excess" in given else None,
    )


def _excess(withheld: float, reason: str, message: str) -> Excess:
    return Excess(b.watts(withheld), ExcessReason(reason), message)


def _coming(window: str, opens: bool, at: str, since: str, zone: str, cap: int) -> Coming:
    times = (datetime.fromisoformat(text).astimezone(UTC) for text in (at, since))
    return Coming(window, opens, *times, zone, b.watts(cap))


def _use(nodes: int, worth: str = "", **watts: float | str) -> BudgetUse:
    powers = {name: Power.parse(amount) for name, amount in watts.items()}
    told = Worth(worth, {}) if worth else None
    return BudgetUse(name="rack-a1", nodes=nodes, worth=told, **powers)


def class_status(given: dict[str, Any]) -> NPUClassStatus:
    """Describe the class atom."""
    nodes = [b.node(name, npu_class=one) for name, one in given.get("nodes", {}).items()]
    nodes += [
        b.node(name, npu_class=None, conflict=tuple(both))
        for name, both in given.get("conflicts", {}).items()
    ]
    return describe_class(
        "atom",
        tuple(given.get("missing", ())),
        given.get("problem"),
        replace(b.snapshot(), nodes=tuple(nodes)),
        previous=None,
        generation=1,
        now=b.NOW,
    )


def _drifts(given: dict[str, Any]) -> dict[PointKey, Drift]:
    return dict(_drift(**one) for one in given.get("measured", ()))


def _drift(
    point: str, declared: float, planned: float, ratio: int, hours: float, **facts: Any
) -> tuple[PointKey, Drift]:
    drift = Drift(
        declared=b.watts(declared),
        measured=Power(round(declared * ratio)),
        planned=b.watts(planned),
        ratio=ratio,
        seconds=round(hours * 3600),
        confidence=Confidence(facts.get("confidence", "High")),
        direction=DriftDirection(facts.get("drift", "AsDeclared")),
        beyond=facts.get("beyond", False),
    )
    return PointKey("yolo", "atom", 1, point), drift


def profile_status(given: dict[str, Any]) -> ModelProfileStatus:
    """Describe a profile with one point on each of some classes, or with p99s at rising load."""
    points = [b.point(npu_class=name) for name in given.get("points", ())]
    points += [b.point(100 * n, 60, p99) for n, p99 in enumerate(given.get("p99", ()), start=1)]
    profile = b.profile(*points) if points else None
    return describe_profile(
        profile, given.get("problem"), b.snapshot(), None, 1, b.NOW, drifts=_drifts(given)
    )
