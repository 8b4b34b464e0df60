"""One visit to one target: fetch, find, judge. What goes wrong comes back as Refused, with whose it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

import aiohttp

from kwatt.model.targets import (
    CardFormat,
    ClassQuery,
    ExporterTarget,
    MeterQuery,
    RuntimeTarget,
    Target,
    Unreadable,
)
from kwatt.model.telemetry import (
    CardSample,
    CounterSample,
    MeterSample,
    Refusal,
    Refused,
    Source,
)
from kwatt.telemetry.cards import Memory, Place, health_of, judge
from kwatt.telemetry.counters import judge_counters, names_of
from kwatt.telemetry.exposition import Scanner, Series
from kwatt.telemetry.fetching import Fetch, Limits, fetch
from kwatt.telemetry.identities import Reading, Skipped, identify, unmatched
from kwatt.telemetry.numbers import amount
from kwatt.telemetry.queries import Result, node_in, query_of, query_url, results_in
from kwatt.telemetry.refusals import Tally, Unusable
from kwatt.units import Power, Ratio

_TEXT: Final = ("text/plain", "application/openmetrics-text")
_JSON: Final = ("application/json",)
_AHEAD_MS: Final = 60_000  # assumption: clocks of one cluster differ by less
_STALE_MS: Final = 300_000  # Prometheus' own look-back: older figures are gone
_MILLIWATTS: Final = Ratio(1000, 1)
_SECONDS: Final = Ratio(1000, 1)
_ONE: Final = Ratio(1, 1)


@dataclass(slots=True)
class Visit:
    """What one visit brought; `naming` are classes whose labels named pods."""

    usable: bool = True
    cards: list[CardSample] = field(default_factory=list)
    counters: list[CounterSample] = field(default_factory=list)
    meters: list[MeterSample] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    naming: set[str] = field(default_factory=set)


def key_of(target: Target) -> Hashable:
    """Return what a target is known by from round to round; a corrected query is asked at once."""
    match target:
        case ExporterTarget():
            return ("exporter", target.format.npu_class, target.node)
        case RuntimeTarget():
            return ("runtime", target.pod)
        case ClassQuery():
            return ("class", target.format.npu_class, target.url)
        case MeterQuery():
            return ("meter", target.budget, target.url, target.query)
        case _:
            assert_never(target)


def name_of(target: Target) -> str:
    """Return what refusals call a target."""
    match target:
        case ExporterTarget():
            return f"{target.format.npu_class} on {target.node}"
        case RuntimeTarget():
            return str(target.pod)
        case ClassQuery():
            return target.format.npu_class
        case MeterQuery():
            return target.budget
        case _:
            assert_never(target)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Visits the targets of one round; `at` is the caller's clock, `wall_ms` the one of timestamps."""

    session: aiohttp.ClientSession
    target_limits: Limits
    server_limits: Limits
    at: Callable[[], int]
    wall_ms: Callable[[], int]

    async def visit(self, target: Target, memory: Memory) -> Visit:
        """Read one target."""
        visit, tally = Visit(), Tally()
        try:
            match target:
                case ExporterTarget():
                    await self._exporter(target, memory, visit, tally)
                case RuntimeTarget():
                    await self._runtime(target, visit, tally)
                case ClassQuery():
                    await self._class(target, memory, visit, tally)
                case MeterQuery():
                    await self._meter(target, visit)
                case _:
                    assert_never(target)
        except Unusable as error:
            visit.usable = False
            tally.add(error.reason, error.message)
        visit.refused = _refused(target, tally)
        return visit

    async def _exporter(
        self, target: ExporterTarget, memory: Memory, visit: Visit, tally: Tally
    ) -> None:
        format = target.format
        scanner = Scanner((*format.metrics, *format.health))
        series = await self._series(target.url, scanner, tally)
        power, health = _named(series, format.metrics), _named(series, format.health)
        if not power and not tally.counts:
            raise Unusable(Refusal.UNKNOWN_METRICS, _unknown(format.metrics, scanner))
        found = memory.cards.readings(format, power, tally)
        if power and not found and not tally.counts:
            raise Unusable(Refusal.UNKNOWN_METRICS, _unmatched(format))
        healths = memory.health.readings(unmatched(format), health, Tally())
        place = Place(target.node, target.pods, self.at())
        cards = judge(format, found, place, memory, tally)
        healthy = health_of(format, healths)
        visit.cards += [replace(card, healthy=healthy.get(card.card.card)) for card in cards]
        visit.naming = {format.npu_class} if any(one.pod for one in found) else set()

    async def _runtime(self, target: RuntimeTarget, visit: Visit, tally: Tally) -> None:
        if isinstance(target.format, Unreadable):
            raise Unusable(target.format.reason, target.format.message)
        names = names_of(target.format)
        scanner = Scanner(names)
        series = await self._series(target.url, scanner, tally)
        if not series and not tally.counts:
            raise Unusable(Refusal.UNKNOWN_METRICS, _unknown(names, scanner))
        visit.counters += judge_counters(target.format, target.pod, series, self.at(), tally)

    async def _series(self, url: str, scanner: Scanner, tally: Tally) -> list[Series]:
        """Fetch an exposition and return its wanted series that are of now."""
        wanted = Fetch(url, self.target_limits, _TEXT)
        kind = await fetch(self.session, wanted, scanner.feed)
        scanner.finish()
        tally.add(Refusal.NOT_EXPOSITION, "a wanted line is malformed", scanner.malformed)
        unit = _SECONDS if kind == _TEXT[1] else _ONE
        return [
            one
            for one in scanner.series
            if one.timestamp is None or self._is_timely(amount(one.timestamp, unit), tally)
        ]

    def _is_timely(self, stamp: int | Refusal, tally: Tally) -> bool:
        """Tell whether a time in milliseconds is neither ahead nor long gone."""
        if isinstance(stamp, Refusal):
            tally.add(Refusal.NOT_EXPOSITION, "a wanted series has an unreadable timestamp")
            return False
        ahead = stamp - self.wall_ms()
        if ahead > _AHEAD_MS:
            tally.add(Refusal.FUTURE_CLOCK, f"a series is stamped {ahead // 1000} s ahead of now")
        elif ahead < -_STALE_MS:
            tally.add(Refusal.FROZEN, f"a series is stamped {-ahead // 1000} s ago")
        return -_STALE_MS <= ahead <= _AHEAD_MS

    async def _results(self, server: str, query: str) -> list[Result]:
        body = bytearray()
        wanted = Fetch(query_url(server, query), self.server_limits, _JSON, with_errors=True)
        await fetch(self.session, wanted, body.extend)
        return results_in(bytes(body))

    async def _class(self, target: ClassQuery, memory: Memory, visit: Visit, tally: Tally) -> None:
        format = target.format
        results = await self._results(target.url, query_of(format))
        if not results:
            names = " or ".join(format.metrics)
            raise Unusable(Refusal.EMPTY, f"the server knows no series called {names}")
        by_node = self._by_node(target, results, tally)
        at = self.at()
        for node in sorted(by_node):
            place = Place(node, target.pods.get(node, frozenset()), at)
            own = memory.of_node(node)
            visit.cards += judge(format, by_node[node], place, own, tally)
            if any(reading.pod for reading in by_node[node]):
                visit.naming = {format.npu_class}
        memory.keep_nodes(by_node)

    def _by_node(
        self, target: ClassQuery, results: list[Result], tally: Tally
    ) -> dict[str, list[Reading]]:
        """Sort results by the node that their labels speak of; under the first name that is there only."""
        format = target.format
        served = {one.labels.get("__name__", "") for one in results}
        name = next((name for name in format.metrics if name in served), "")
        by_node: defaultdict[str, list[Reading]] = defaultdict(list)
        for one in results:
            if one.labels.get("__name__", "") != name or not self._is_timely(one.at_ms, tally):
                continue
            identity = identify(format, one.labels)
            if isinstance(identity, Skipped):
                if identity.reason is not None:
                    tally.add(identity.reason, identity.message)
                continue
            node = node_in(one.labels, target.nodes)
            if node is None:
                tally.add(
                    Refusal.FOREIGN_LABEL,
                    f"card {identity.card} names no node of class {format.npu_class}",
                )
                continue
            pods = target.pods.get(node, frozenset())
            # the server's own labels name the exporter's pod, which holds no NPU
            pod = identity.pod if identity.pod in pods or _is_exported(one) else None
            by_node[node].append(Reading(identity.card, pod, one.value))
        return by_node

    async def _meter(self, target: MeterQuery, visit: Visit) -> None:
        results = await self._results(target.url, target.query)
        if not results:
            raise Unusable(Refusal.EMPTY, "the query gives no value; does the series still exist?")
        if len(results) > 1:
            raise Unusable(
                Refusal.DUPLICATE_SERIES,
                f"the query gives {len(results)} values; write one that gives one, such as sum(…)",
            )
        tally = Tally()
        if not self._is_timely(results[0].at_ms, tally):
            raise Unusable(*next(iter(tally.messages.items())))
        milliwatts = amount(results[0].value, _MILLIWATTS)
        if isinstance(milliwatts, Refusal):
            shown = results[0].value[:24].decode(errors="replace")
            raise Unusable(milliwatts, f"the query gives {shown}")
        visit.meters.append(MeterSample(target.budget, self.at(), Power(milliwatts)))


def _named(series: list[Series], names: tuple[str, ...]) -> list[Series]:
    """Return the series under the first of `names` that is served."""
    served = {one.name for one in series}
    found = next((name for name in names if name in served), None)
    return [one for one in series if one.name == found]


def _is_exported(one: Result) -> bool:
    return "exported_pod" in one.labels


def _unknown(names: tuple[str, ...], scanner: Scanner) -> str:
    seen = ", ".join(scanner.seen()) or "none"
    return f"looked for {' or '.join(names)}; saw {seen} and so on"


def _unmatched(format: CardFormat) -> str:
    wanted = ", ".join(f"{name}={value!r}" for name, value in format.match)
    return (
        f"no series of {' or '.join(format.metrics)} has {wanted}; is it another exporter version?"
    )


def _refused(target: Target, tally: Tally) -> list[Refused]:
    return [
        replace(_blame(target), reason=reason, message=tally.messages[reason], count=count)
        for reason, count in tally.counts.items()
    ]


def _blame(target: Target) -> Refused:
    """Return whose a refusal is, with a reason and message to fill in."""
    none = name_of(target), Refusal.UNREACHABLE, ""
    match target:
        case ExporterTarget():
            npu_class = target.format.npu_class
            return Refused(Source.EXPORTER, *none, npu_class=npu_class, node=target.node)
        case RuntimeTarget():
            return Refused(Source.RUNTIME, *none, pod=target.pod)
        case ClassQuery():
            return Refused(Source.PROMETHEUS, *none, npu_class=target.format.npu_class)
        case MeterQuery():
            return Refused(Source.PROMETHEUS, *none, budget=target.budget)
        case _:
            assert_never(target)
