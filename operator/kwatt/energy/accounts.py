"""The accounts: readings in, rates, watts and joules by service, budget, class and operating point out.

No clock and no I/O: `take` is given what was read and the instant. Memory is bounded by the NPUs, pods and
objects there are, and by the window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from kwatt.energy.account import Account, Known
from kwatt.energy.attribution import attribute
from kwatt.energy.counters import Counters, Rate
from kwatt.energy.coverage import Coverage
from kwatt.energy.holdings import FRESHNESS_MS, Holdings, Instant, PoolKey
from kwatt.energy.integration import Stretch, Trail, stretch_between, trail_of
from kwatt.energy.points import Points, declared_at, is_plausible
from kwatt.energy.sights import drawing, sights
from kwatt.energy.telling import Lost, Telling
from kwatt.model.keys import ServiceKey
from kwatt.model.measurements import Counted, Demand, Measured, Measurements
from kwatt.model.telemetry import CardSample, MeterSample, Readings

Key = TypeVar("Key")
_NOTHING = Known(holds=False)


@dataclass(frozen=True, slots=True)
class Books:
    """What earlier processes counted, as read from statuses."""

    services: Mapping[ServiceKey, Counted] = field(default_factory=dict)
    budgets: Mapping[str, Counted] = field(default_factory=dict)
    classes: Mapping[str, Counted] = field(default_factory=dict)


class Accounts:
    """Remembers the last sample of every card, and an account per service, budget and class."""

    def __init__(self, books: Books, now: Instant) -> None:
        self._services = _continued(books.services, now)
        self._budgets = _continued(books.budgets, now)
        self._classes = _continued(books.classes, now)
        self._cards: defaultdict[PoolKey, dict[str, Trail]] = defaultdict(dict)
        self._meters: dict[str, MeterSample] = {}
        self._coverage = Coverage()
        self._counters = Counters()
        self._points = Points()
        self._telling = Telling()
        self._holdings = Holdings()
        self._over: dict[str, tuple[str, ...]] = {}
        self._looked = now.ms
        self._unread: dict[ServiceKey, Known] = {}

    def take(self, readings: Readings, holdings: Holdings, now: Instant) -> None:
        """Add one round of readings, attributed by who holds what now."""
        if holdings is not self._holdings:
            self._see(holdings)
        self._counters.see(holdings, now)
        self._telling.hear(readings.refused)
        for card in readings.cards:
            self._card(card, now)
        for meter in readings.meters:
            self._meter(meter, now)
        for counter in readings.counters:
            self._counters.take(counter)
        self._telling.forget(holdings, (PoolKey(*one.card[:2]) for one in readings.cards))
        self._settle(now)
        if readings.cards:
            self._compare(now)

    def close(self, kind: str, namespace: str, name: str) -> None:
        """Forget what an object used that is gone: another of its name begins at 0."""
        if kind == "InferenceService":
            self._services.pop(ServiceKey(namespace, name), None)
        wholes = {"PowerBudget": self._budgets, "NPUClass": self._classes}
        wholes.get(kind, {}).pop(name, None)

    def _see(self, holdings: Holdings) -> None:
        """Learn who holds what, and forget objects that are gone."""
        self._holdings = holdings
        self._services = _kept(self._services, holdings.services)
        self._budgets = _kept(self._budgets, holdings.budgets)
        self._classes = _kept(self._classes, holdings.classes)
        self._meters = _kept(self._meters, holdings.meters)
        over: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(holdings.budgets):
            for node in holdings.budgets[name]:
                over[node].append(name)
        self._over = {
            node: tuple(name for name in names if name not in holdings.meters)
            for node, names in over.items()
        }

    def _card(self, sample: CardSample, now: Instant) -> None:
        key = PoolKey(sample.card.node, sample.card.npu_class)
        pool, before = self._holdings.pools.get(key), self._cards[key].get(sample.card.card)
        if pool is None or sample.at > now.ms or (before and sample.at <= before.at):
            return
        after = trail_of(sample, attribute(sample, pool))
        self._cards[key][sample.card.card] = after
        self._open(key, after, now)
        if before and self._joins(before, after, key):
            self._add(key, stretch_between(before, after))

    def _joins(self, before: Trail, after: Trail, key: PoolKey) -> bool:
        gap = after.at - before.at
        return gap <= self._holdings.limit(key.npu_class) and before.scope == after.scope

    def _open(self, key: PoolKey, trail: Trail, now: Instant) -> None:
        for service in trail.services:
            if service not in self._services and service in self._holdings.services:
                self._services[service] = Account.opened(now)
        if key.npu_class not in self._classes:
            self._classes[key.npu_class] = Account.opened(now)
        for name in self._over.get(key.node, ()):
            if name not in self._budgets:
                self._budgets[name] = Account.opened(now)

    def _add(self, key: PoolKey, stretch: Stretch) -> None:
        for service, halves in stretch.services.items():
            if service in self._services:
                self._services[service].add(halves, stretch.scope)
        self._classes[key.npu_class].add(stretch.card, stretch.scope)
        for name in self._over.get(key.node, ()):
            self._budgets[name].add(stretch.card, stretch.scope)

    def _meter(self, sample: MeterSample, now: Instant) -> None:
        """Integrate a budget's own meter, instead of the cards under it."""
        before = self._meters.get(sample.budget)
        if sample.budget not in self._holdings.meters or sample.at > now.ms:
            return
        if before and sample.at <= before.at:
            return
        self._meters[sample.budget] = sample
        account = self._budgets.setdefault(sample.budget, Account.opened(now))
        if before and sample.at - before.at <= FRESHNESS_MS:
            both = before.power + sample.power
            scope = self._holdings.meters[sample.budget]
            account.add(both.milliwatts * (sample.at - before.at), scope)

    def _settle(self, now: Instant) -> None:
        """Note until when everything is known, and what is lost."""
        self._drop_stale(now)
        self._coverage.look(self._cards, self._holdings, now)
        seen = sights(self._cards, self._coverage, self._holdings, self._over, now)
        metered = {name: self._metered(name, now) for name in sorted(self._holdings.meters)}
        for name in metered:
            self._budgets.setdefault(name, Account.opened(now))
        _settle(self._services, seen.services, now)
        _settle(self._classes, seen.classes, now)
        _settle(self._budgets, {**seen.budgets, **metered}, now)
        self._unread = {
            key: known
            for key, known in seen.services.items()
            if key not in self._services and not known.read
        }

    def _metered(self, budget: str, now: Instant) -> Known:
        last = self._meters.get(budget)
        fresh = last if last and now.ms - last.at <= FRESHNESS_MS else None
        return Known(
            holds=True,
            through=last.at if last else None,
            power=fresh.power if fresh else None,
            scopes=frozenset({self._holdings.meters[budget]}),
        )

    def _drop_stale(self, now: Instant) -> None:
        """Forget cards that were not read for longer than their samples hold, and pools that are gone."""
        kept: defaultdict[PoolKey, dict[str, Trail]] = defaultdict(dict)
        for key in self._holdings.pools:
            since = now.ms - self._holdings.limit(key.npu_class)
            trails = self._cards.get(key, {})
            fresh = {card: trail for card, trail in trails.items() if trail.at >= since}
            if fresh:
                kept[key] = fresh
        self._cards = kept

    def _compare(self, now: Instant) -> None:
        """Add to the operating points what replicas drew since the last look, and should have."""
        span, self._looked = now.ms - self._looked, now.ms
        self._points.turn(now.ms)
        if not 0 < span <= FRESHNESS_MS:
            return
        for holder, milliwatts in drawing(self._cards, self._holdings, now):
            point, rate = holder.point, self._counters.of_pod(holder.pod, now)
            curve = self._holdings.curves.get(point) if point else None
            if point is not None and rate is not None and curve and is_plausible(curve, rate):
                declared = declared_at(curve, rate)
                self._points.add(point, holder.pod.namespace, declared, milliwatts, span)

    def measurements(self, now: Instant) -> Measurements:
        """Return all that is known now."""
        return Measurements(
            services=dict(self._told_services(now)),
            demands=dict(self._demands(now)),
            budgets={
                name: self._measured(one, now, name) for name, one in sorted(self._budgets.items())
            },
            classes={name: self._measured(one, now) for name, one in sorted(self._classes.items())},
            points=self._points.measured(),
            targets=self._targets(),
        )

    def _told_services(self, now: Instant) -> Iterable[tuple[ServiceKey, Measured]]:
        for key in sorted(self._services):
            yield key, self._service(key, now)
        for key, known in sorted(self._unread.items()):
            never = self._telling.never_read(known)
            told = self._counters.rate(key, self._holdings.services.get(key), now)
            if never or told.rate or told.doubt:
                yield key, self._without_watts(told, never, now)

    def _service(self, key: ServiceKey, now: Instant) -> Measured:
        account = self._services[key]
        power = self._measured(account, now)
        told = self._counters.rate(key, self._holdings.services.get(key), now)
        return Measured(
            counted=power.counted,
            power=power.power,
            latest=power.latest,
            rate=None if told.doubt else told.rate,
            window_seconds=power.window_seconds or told.window_ms // 1000,
            at=power.at or (now.wall if told.rate else None),
            scope=power.scope,
            estimated=power.estimated,
            lost=power.lost,
            loss=power.loss,
            doubt=told.doubt,
        )

    def _without_watts(self, told: Rate, never: Lost | None, now: Instant) -> Measured:
        return Measured(
            rate=None if told.doubt else told.rate,
            window_seconds=told.window_ms // 1000,
            at=now.wall if told.rate else None,
            lost=never.message if never else None,
            loss=never.loss if never else None,
            doubt=told.doubt,
        )

    def _measured(self, account: Account, now: Instant, budget: str | None = None) -> Measured:
        known, power = account.known, account.power()
        lost = self._telling.lost(known, account.lost_ms(now), budget)
        return Measured(
            counted=account.counted(now),
            power=power if lost is None else None,
            latest=known.power if lost is None else None,
            window_seconds=account.span // 1000 if power is not None else 0,
            at=now.wall if power is not None else None,
            scope=next(iter(known.scopes)) if len(known.scopes) == 1 else None,
            estimated=known.estimated,
            lost=lost.message if lost else None,
            loss=lost.loss if lost else None,
        )

    def _demands(self, now: Instant) -> Iterable[tuple[ServiceKey, Demand]]:
        for key in sorted(self._holdings.services):
            demand = self._counters.demand(key, now)
            if demand is not None:
                yield key, demand

    def _targets(self) -> dict[str, int]:
        """Return on how many nodes each class was read lately."""
        read: defaultdict[str, int] = defaultdict(int)
        for key, trails in sorted(self._cards.items()):
            read[key.npu_class] += bool(trails)
        return dict(read)


def _settle(accounts: dict[Key, Account], seen: Mapping[Key, Known], now: Instant) -> None:
    for key, before in accounts.items():
        known = seen.get(key, _NOTHING)
        account = Account.opened(now) if before.counts_other_than(known) else before
        account.settle(known, now)
        accounts[key] = account


def _continued(counted: Mapping[Key, Counted], now: Instant) -> dict[Key, Account]:
    return {key: Account.continued(one, now) for key, one in counted.items()}


Value = TypeVar("Value")


def _kept(values: Mapping[Key, Value], keys: Collection[Key]) -> dict[Key, Value]:
    return {key: value for key, value in values.items() if key in keys}
