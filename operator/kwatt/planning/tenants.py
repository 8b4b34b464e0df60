"""Who holds what others wait for: the services with replicas on nodes, under budgets, in namespaces."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Rejection
from kwatt.planning.draft import Draft, Holding

if TYPE_CHECKING:
    from kwatt.planning.cases import Ground

MOST_NAMED: Final = 16  # services that a rejection names, those that may draw most there
_Amounts = dict[str, int]  # by service: the milliwatts that its replicas may draw


class Holders(NamedTuple):
    """Services that hold something: the largest by name, and how many there are in all."""

    names: tuple[str, ...]
    total: int


class Tenants:
    """Names of services by what they hold a part of, as of when this was made; each list is made once.

    `told` and `grounds` remember what was found for services that are alike, until `forget` is called
    because anything is held or released.
    """

    def __init__(self, draft: Draft) -> None:
        self._layout = draft.layout
        self._on_node: dict[int, _Amounts] = {}
        self._in_namespace: dict[str, _Amounts] = {}
        self._lists: dict[Hashable, _Amounts] = {}
        self.told: dict[Hashable, Rejection] = {}
        self.grounds: dict[Hashable, Ground] = {}
        for key, holdings in sorted(draft.holdings.items()):
            in_namespace = self._in_namespace.setdefault(key.namespace, {})
            in_namespace[str(key)] = sum(_may_draw(h, h.replicas) for h in holdings)
            for holding in holdings:
                for number, count in holding.counts:
                    here = self._on_node.setdefault(number, {})
                    here[str(key)] = here.get(str(key), 0) + _may_draw(holding, count)
        self._in_namespace = {name: _by_size(h) for name, h in self._in_namespace.items()}

    def forget(self) -> None:
        """Forget what was found for services that are alike."""
        self.told.clear()
        self.grounds.clear()

    def under(self, budget: int, but: ServiceKey) -> Holders:
        """Return the services with replicas under a budget."""
        return self._others(("budget", budget), self._layout.members[budget], but)

    def on(self, nodes: tuple[int, ...], but: ServiceKey) -> Holders:
        """Return the services with replicas on any of the nodes."""
        return self._others(("nodes", nodes), nodes, but)

    def within(self, namespace: str, but: ServiceKey) -> Holders:
        """Return the services with replicas in a namespace."""
        return _largest(self._in_namespace.get(namespace, {}), but)

    def _others(self, name: Hashable, nodes: Iterable[int], but: ServiceKey) -> Holders:
        if name not in self._lists:
            held: _Amounts = {}
            for number in nodes:
                for service, milliwatts in self._on_node.get(number, {}).items():
                    held[service] = held.get(service, 0) + milliwatts
            self._lists[name] = _by_size(held)
        return _largest(self._lists[name], but)


def held_by(holders: Holders) -> str:
    """Return the end of a sentence that names who holds what is missing."""
    if not holders.names:
        return ""
    named = holders.names[:3]
    more = holders.total - len(named)
    return f"; held by {', '.join(named)}" + (f" and {more} more" if more > 0 else "")


def _may_draw(holding: Holding, replicas: int) -> int:
    return holding.demand.reserved.milliwatts * replicas


def _by_size(held: _Amounts) -> _Amounts:
    return dict(sorted(held.items(), key=lambda item: (-item[1], item[0])))


def _largest(held: _Amounts, but: ServiceKey) -> Holders:
    """Return the first of `held`, which descend, without one service."""
    others = (service for service in held if service != str(but))
    return Holders(tuple(sorted(islice(others, MOST_NAMED))), len(held) - (str(but) in held))
