"""Gains: the least raise of a budget that serves a short service more, if only by a replica."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kwatt.model.plan import Gain, Reason, Rejection
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.fill import fill, fill_whole, may_take
from kwatt.planning.ledger import Ledger
from kwatt.planning.options import Option, best_rate
from kwatt.planning.place import spots_of
from kwatt.planning.raises import joint_raise, least_raise, raised, stopping
from kwatt.units import Power, Throughput

MOST_CLAIMS: Final = 4  # services of a level that are tried for each budget
_MOST_OPTIONS: Final = 8  # those of the classes first that only watts are missing on
_MOST_BUDGETS: Final = 3  # per option
_MOST_COUNTS: Final = 8  # numbers of replicas that are tried


class Gains:
    """What raises would serve the services of one level that are short, few of them for each budget."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._claims: Counter[str] = Counter()

    def of(
        self, service: Service, served: int, rejections: Iterable[Rejection]
    ) -> tuple[Gain, ...]:
        """Return the least gain of each budget that stops the service, by name.

        `served` is what it is served so far, in millionths of a unit per second; it must hold nothing
        in the draft while this looks.
        """
        stopped = [r for r in rejections if r.reason is Reason.POWER_BUDGET_EXCEEDED]
        if all(self._claims[str(r.figures["budget"])] >= MOST_CLAIMS for r in stopped):
            return ()
        self._claims.update({str(r.figures["budget"]) for r in stopped})
        classes = {r.npu_class for r in stopped}
        options = sorted(
            self._draft.options(service), key=lambda o: o.variant.npu_class not in classes
        )[:_MOST_OPTIONS]
        least: dict[str, Gain] = {}
        wish = _Wish(self._draft, service, served)
        for gain in (g for option in options for g in self._gains(wish, option)):
            best = least.get(gain.budget, gain)
            least[gain.budget] = min(best, gain, key=_order)
        return tuple(least[name] for name in sorted(least))

    def _gains(self, wish: _Wish, option: Option) -> Iterator[Gain]:
        replicas = _least_more(option, wish.served)
        if replicas is None:
            return
        ledger, spots = self._draft.committed, wish.spots[option.variant]

        def suffices(now: Ledger) -> bool:
            return wish.serves(option, now) > wish.served

        alone = False
        for shortage in stopping(ledger, spots, replicas, _MOST_BUDGETS):
            watts = least_raise(ledger, spots, replicas, shortage, suffices)
            if watts is not None:
                alone = True
                yield from self._claims_of(wish, {shortage.budget: watts})
        if not alone:
            together = joint_raise(ledger, spots, replicas, suffices)
            yield from self._claims_of(wish, together or {})

    def _claims_of(self, wish: _Wish, watts: Mapping[int, int]) -> Iterator[Gain]:
        """Yield the gain from raises that go together, once for each budget."""
        draft = self._draft
        if not watts:
            return
        more = wish.most(raised(draft.committed, watts)) - wish.served
        named = {draft.layout.budgets[b].name: Power.of_watts(w) for b, w in watts.items()}
        for name, power in named.items():
            beside = tuple((other, named[other]) for other in sorted(named) if other != name)
            yield Gain(name, power, Throughput(more), beside)


class _Wish:
    """A service that is `served` too little, with the spots of its options, which no raise changes."""

    def __init__(self, draft: Draft, service: Service, served: int) -> None:
        self.served, self._target, self._options = (
            served,
            service.target.micros,
            draft.options(service),
        )
        ledger = draft.committed
        self.spots = {o.variant: spots_of(draft, service, o, ledger) for o in self._options}

    def most(self, ledger: Ledger) -> int:
        """Return what the planner would serve: all if that is possible, else the most of any option."""
        if any(
            o.fewest and fill_whole(ledger, self.spots[o.variant], o.fewest) for o in self._options
        ):
            return self._target
        return max(self.serves(option, ledger) for option in self._options)

    def serves(self, option: Option, ledger: Ledger) -> int:
        """Return what an option serves with what a ledger has left."""
        spots = self.spots[option.variant]
        if not may_take(ledger, spots, 1):
            return 0
        return option.served(fill(ledger, spots, option.useful()).replicas)


def _order(gain: Gain) -> tuple[bool, int, int, tuple[tuple[str, Power], ...]]:
    """Put a raise of one budget before several, and the fewest watts in all first."""
    watts = gain.power.milliwatts + sum(power.milliwatts for _, power in gain.beside)
    return bool(gain.beside), watts, -gain.more.micros, gain.beside


def _least_more(option: Option, served: int) -> int | None:
    """Return the least number of replicas that serves more, None if no number near the least does."""
    useful, best = option.useful(), best_rate(option.curve, option.latency)
    first = max(option.least, served // best)
    tried = range(first, min(useful, first + _MOST_COUNTS) + 1)
    return next((n for n in tried if option.served(n) > served), None)
