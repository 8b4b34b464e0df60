"""A small fleet whose figures move: what a test lets a Prometheus scrape.

The values are made up, the metrics and the HTTP server are the operator's own.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from kwatt.cli.serving import build_app, serve
from kwatt.metrics import Metrics
from kwatt.model.feedback import Feedback
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.measurements import (
    Counted,
    Demand,
    Measured,
    Measurements,
    PointKey,
    PointMeasured,
)
from kwatt.model.npu import Scope
from kwatt.model.plan import BudgetUse, Placement, Plan, Reason, Rejection, Totals, Unplaced
from kwatt.model.telemetry import Refusal, Refused, Source
from kwatt.units import NO_POWER, Energy, Power, Throughput

DAY_SECONDS = 60.0  # in which the load goes through a day
_TRAFFIC, _FOOD = ServiceKey("city-traffic", "traffic"), ServiceKey("city-food", "food")
_HAZARD = ServiceKey("city-safety", "hazard")
_ATOM = Variant("rebellions-atom", "rebellions.ai/ATOM", 1, "")
_RNGD = Variant("furiosa-rngd", "furiosa.ai/rngd", 1, "")
_ROWS = ((_TRAFFIC, _ATOM, 4, 1200, 41), (_FOOD, _RNGD, 2, 900, 150))
_POINT = PointKey("yolo", "rebellions-atom", 1, "batch-8")
_CAP, _HOST, _IDLE = Power.of_watts(900), Power.of_watts(120), Power.of_watts(70)


class Fleet:
    """Sets all that the metrics show, as of a time."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._began = time.time()
        self._millijoules = dict.fromkeys((_TRAFFIC, _FOOD), 3_600_000_000)
        self._last = self._began
        self.metrics.failed("Deployment", "Refused")
        self.metrics.drifted("Pod", 1)

    def turn(self, now: float) -> None:
        """Bring everything up to `now`, seconds since 1970."""
        load = 0.55 - 0.45 * math.cos(2 * math.pi * (now - self._began) / DAY_SECONDS)
        self._cycle(load)
        self._measure(load, now)
        self.metrics.refused([Refused(Source.EXPORTER, "atom on n1", Refusal.FROZEN, "why")])
        self._last = now

    def _cycle(self, load: float) -> None:
        metrics = self.metrics
        metrics.leads(True)
        metrics.planned(_plan(load), {"NPUClass": 1})
        metrics.stored({"Node": 12, "InferenceService": 3})
        for step, seconds in (("observe", 0.004), ("plan", 0.02 + 0.05 * load), ("apply", 0.3)):
            metrics.step(step, seconds)
        for verb, outcome in (("list", "200"), ("patch", "200"), ("patch", "409")):
            metrics.request(verb, "pods", outcome)

    def _measure(self, load: float, now: float) -> None:
        at = datetime.fromtimestamp(now, UTC)
        services = {
            key: self._measured(key, watts * count * (0.32 + 0.66 * load), rate * load, at)
            for key, _, count, rate, watts in _ROWS
        }
        whole = sum(one.power.milliwatts for one in services.values() if one.power)
        counted = Counted(Energy(sum(self._millijoules.values())), at, 30)
        of_all = _fresh(counted, Power(whole), None, at)
        rack = replace(of_all, power=of_all.power and of_all.power + _HOST + _IDLE)
        points = {_POINT: PointMeasured(Energy(10**6), Energy(int(10**6 * (1 + 0.2 * load))), 900)}
        self.metrics.measured(
            Measurements(
                services=services,
                demands={_TRAFFIC: Demand(Throughput(int(1.1e9 * load)), int(40 * load), 60)},
                budgets={"rack-a1": rack},
                classes={variant.npu_class: services[key] for key, variant, *_ in _ROWS},
                points=points,
                targets={"rebellions-atom": 4, "furiosa-rngd": 2},
            ),
            at,
        )
        self.metrics.fed_back(
            Feedback(
                {_POINT: Power(45_000)},
                {_TRAFFIC: Throughput(int(1.2e9 * load))},
                {"rack-a1": Power.of_watts(12)},
            )
        )

    def _measured(self, key: ServiceKey, watts: float, rate: float, at: datetime) -> Measured:
        power = Power(int(watts * 1000))
        self._millijoules[key] += int(power.milliwatts * (at.timestamp() - self._last))
        counted = Counted(Energy(self._millijoules[key]), at, 30)
        return _fresh(counted, power, Throughput(int(rate * 10**6)), at)


def _fresh(counted: Counted, power: Power, rate: Throughput | None, at: datetime) -> Measured:
    return Measured(
        counted=counted, power=power, rate=rate, window_seconds=60, at=at, scope=Scope.DEVICE
    )


def _plan(load: float) -> Plan:
    rows = tuple(
        Placement(
            key,
            variant,
            "batch-8",
            f"{variant.npu_class}-1",
            count,
            Throughput(rate * 10**6),
            Power.of_watts(count * (watts + 4)),
            Power.of_watts(count * watts),
        )
        for key, variant, count, rate, watts in _ROWS
    )
    planned = sum((row.planned for row in rows), NO_POWER)
    reserved = sum((row.reserved for row in rows), NO_POWER)
    cap = _CAP if load < 0.8 else Power.of_watts(760)
    left = cap - _HOST - _IDLE - reserved
    draw = _HOST + _IDLE + planned
    use = BudgetUse("rack-a1", cap, _HOST, _IDLE, reserved, NO_POWER, left, planned, draw, 6)
    totals = Totals(planned, reserved, _IDLE, NO_POWER, planned + _IDLE, 3, 2, 0, 6, 0, 0, 0)
    message = "rack-a1 has 140 W left, the service needs 180 W"
    rejection = Rejection("rebellions-atom", Reason.POWER_BUDGET_EXCEEDED, message, {})
    short = Unplaced(_HAZARD, Throughput(600 * 10**6), (rejection,))
    return Plan(rows, (short,), (use,), totals, "")


@contextmanager
def serving(fleet: Fleet) -> Iterator[int]:
    """Serve the fleet's metrics as the operator does, on a free port of loopback; it turns meanwhile."""
    loop, ports = asyncio.new_event_loop(), []
    ended = asyncio.Event()

    async def run() -> None:
        app = build_app(fleet.metrics.registry, lambda: None, lambda: None)
        server = asyncio.create_task(serve(app, "127.0.0.1", 0, ports.append))
        while not ended.is_set():
            fleet.turn(time.time())
            ready.set() if ports else None
            await asyncio.sleep(0.2)  # the pace of the fleet
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)

    ready = threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30), "the metrics are not served"
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
        loop.close()
