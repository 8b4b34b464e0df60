"""Gains: the least raise of a budget that serves a short service more, if only by a replica."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from kwatt.model.plan import Gain, Reason, Rejection
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.fill import fill, may_take
from kwatt.planning.ledger import Ledger
from kwatt.planning.options import Option, best_rate
from kwatt.planning.place import can_be_whole, spots_of
from kwatt.planning.raises import least_raise, raised, stopping
from kwatt.units import Power, Throughput

MOST_CLAIMS: Final = 4  # services of a level that are tried for each budget
_MOST_BUDGETS: Final = 3  # per class
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
        options = [o for o in self._draft.options(service) if o.variant.npu_class in classes]
        least: dict[str, Gain] = {}
        for gain in (g for option in options for g in self._gains(service, option, served)):
            best = least.get(gain.budget, gain)
            least[gain.budget] = min(best, gain, key=lambda g: (g.power, -g.more.micros))
        return tuple(least[name] for name in sorted(least))

    def _gains(self, service: Service, option: Option, served: int) -> Iterator[Gain]:
        draft, replicas = self._draft, _least_more(option, served)
        if replicas is None:
            return
        ledger, spots = draft.committed, spots_of(draft, service, option, draft.committed)
        for shortage in stopping(ledger, spots, replicas, _MOST_BUDGETS):
            watts = least_raise(
                ledger, shortage, lambda now: _serves(option, service, draft, now) > served
            )
            if watts is not None:
                more = _most(draft, service, raised(ledger, {shortage.budget: watts})) - served
                name = draft.layout.budgets[shortage.budget].name
                yield Gain(name, Power.of_watts(watts), Throughput(more))


def _least_more(option: Option, served: int) -> int | None:
    """Return the least number of replicas that serves more, None if no number near the least does."""
    useful, best = option.useful(), best_rate(option.curve, option.latency)
    first = max(option.least, served // best)
    tried = range(first, min(useful, first + _MOST_COUNTS) + 1)
    return next((n for n in tried if option.served(n) > served), None)


def _most(draft: Draft, service: Service, ledger: Ledger) -> int:
    """Return what the planner would serve: all if that is possible, else the most of any option."""
    if can_be_whole(draft, service, draft.options(service), ledger):
        return service.target.micros
    return max(_serves(option, service, draft, ledger) for option in draft.options(service))


def _serves(option: Option, service: Service, draft: Draft, ledger: Ledger) -> int:
    spots = spots_of(draft, service, option, ledger)
    if not may_take(ledger, spots, 1):
        return 0
    return option.served(fill(ledger, spots, option.useful()).replicas)
