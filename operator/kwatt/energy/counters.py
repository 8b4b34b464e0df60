"""Counters of serving runtimes by service: rates, demand, and what is implausible about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kwatt.energy.holdings import FRESHNESS_MS, Holdings, Instant, Served
from kwatt.energy.rates import Track, summed
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.measurements import Demand
from kwatt.model.telemetry import CounterSample
from kwatt.units import Throughput

PLAUSIBLE_FACTOR: Final = 2
"""A replica serves at most so many times what its profile's fastest point does; assumption."""


@dataclass(slots=True)
class _Engine:
    """The counters of one engine in a pod."""

    unit: str = ""
    served: Track = field(default_factory=Track)
    arrived: Track = field(default_factory=Track)
    waiting: int | None = None


class Rate(NamedTuple):
    """What a service serves; `doubt` says why a figure that was read is not used."""

    rate: Throughput | None
    window_ms: int
    doubt: str | None = None


class Counters:
    """Remembers every engine's counters over the window, of pods that hold NPUs only."""

    def __init__(self) -> None:
        self._engines: dict[PodKey, dict[str, _Engine]] = {}
        self._ready: dict[PodKey, int] = {}
        self._pods: dict[ServiceKey, list[PodKey]] = {}

    def see(self, holdings: Holdings, now: Instant) -> None:
        """Learn which pods are ready, since when, and forget those that are gone."""
        holders = [h for pool in holdings.pools.values() for h in pool.holders if h.service]
        present = {holder.pod for holder in holders}
        ready = {holder.pod for holder in holders if holder.ready}
        self._engines = {pod: own for pod, own in self._engines.items() if pod in present}
        self._ready = {pod: self._ready.get(pod, now.ms) for pod in sorted(ready)}
        self._pods = {}
        for holder in holders:
            if holder.service and holder.ready:
                self._pods.setdefault(holder.service, []).append(holder.pod)
        self._present = present

    def take(self, sample: CounterSample) -> None:
        """Add what one engine's counters show; of pods that hold no NPU it is left out."""
        if sample.pod not in self._present:
            return
        engine = self._engines.setdefault(sample.pod, {}).setdefault(sample.series, _Engine())
        engine.unit, engine.waiting = sample.unit, sample.waiting
        if sample.served is not None:
            engine.served.take(sample.at, sample.served)
        if sample.arrived is not None:
            engine.arrived.take(sample.at, sample.arrived)

    def of_pod(self, pod: PodKey, now: Instant) -> Throughput | None:
        """Return what one pod serves over all its engines."""
        engines = self._engines.get(pod, {}).values()
        return summed((engine.served for engine in engines), now.ms - FRESHNESS_MS)

    def rate(self, service: ServiceKey, served: Served | None, now: Instant) -> Rate:
        """Return what a service serves; None where one of its ready pods is not read."""
        pods = self._pods.get(service, [])
        engines = [engine for pod in pods for engine in self._engines.get(pod, {}).values()]
        if served and (other := sorted({e.unit for e in engines} - {served.unit})):
            told = f"the runtime counts {other[0]}, the profile {served.unit}"
            return Rate(None, 0, told)
        tracks = [engine.served for engine in engines]
        rate = self._whole({pod: self.of_pod(pod, now) for pod in pods}, now)
        window = max((track.span for track in tracks), default=0)
        return Rate(rate, window if rate else 0, _doubt(rate, served, len(pods)))

    def demand(self, service: ServiceKey, now: Instant) -> Demand | None:
        """Return what is asked of a service, None where no runtime of it was ever read."""
        pods = self._pods.get(service, [])
        engines = {pod: list(self._engines.get(pod, {}).values()) for pod in pods}
        if not any(engines.values()):
            return None
        since = now.ms - FRESHNESS_MS
        arrivals = {
            pod: summed((engine.arrived for engine in own), since) for pod, own in engines.items()
        }
        waiting = [e.waiting for own in engines.values() for e in own if _is_fresh(e, since)]
        spans = [e.arrived.span for own in engines.values() for e in own]
        known = [count for count in waiting if count is not None]
        return Demand(
            arrivals=self._whole(arrivals, now),
            waiting=sum(known) if known else None,
            window_seconds=max(spans, default=0) // 1000,
        )

    def _whole(self, rates: Mapping[PodKey, Throughput | None], now: Instant) -> Throughput | None:
        """Return the sum, None if a pod that has been ready for long is missing in it."""
        settled = now.ms - FRESHNESS_MS
        missing = [pod for pod, rate in rates.items() if rate is None]
        known = [rate.micros for rate in rates.values() if rate is not None]
        if not known or any(self._ready.get(pod, now.ms) < settled for pod in missing):
            return None
        return Throughput(sum(known))


def _is_fresh(engine: _Engine, since: int) -> bool:
    instants: Iterable[int | None] = (engine.served.at, engine.arrived.at)
    return any(at is not None and at >= since for at in instants)


def _doubt(rate: Throughput | None, served: Served | None, replicas: int) -> str | None:
    if rate is None or served is None:
        return None
    most = served.highest * (PLAUSIBLE_FACTOR * replicas)
    if rate <= most:
        return None
    return (
        f"{rate} is more than {PLAUSIBLE_FACTOR} times what {replicas} replicas can serve by the "
        f"profile ({served.highest} each); the rate is not used"
    )
