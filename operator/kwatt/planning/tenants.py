"""Who holds what others wait for: the services with replicas on nodes, under budgets, in namespaces."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from kwatt.model.keys import ServiceKey
from kwatt.planning.draft import Draft


class Tenants:
    """Names of services by what they hold a part of, as of when this was made; each list is made once."""

    def __init__(self, draft: Draft) -> None:
        self._layout = draft.layout
        self._on_node: dict[int, list[str]] = {}
        self._in_namespace: dict[str, list[str]] = {}
        self._lists: dict[Hashable, tuple[str, ...]] = {}
        self._holders = {str(key) for key in draft.holdings}
        for key, holdings in sorted(draft.holdings.items()):
            self._in_namespace.setdefault(key.namespace, []).append(str(key))
            for number in sorted({n for holding in holdings for n, _ in holding.counts}):
                self._on_node.setdefault(number, []).append(str(key))

    def under(self, budget: int, but: ServiceKey) -> tuple[str, ...]:
        """Return the services with replicas under a budget."""
        return self._others(("budget", budget), self._layout.members[budget], but)

    def on(self, nodes: tuple[int, ...], but: ServiceKey) -> tuple[str, ...]:
        """Return the services with replicas on any of the nodes."""
        return self._others(("nodes", nodes), nodes, but)

    def within(self, namespace: str, but: ServiceKey) -> tuple[str, ...]:
        """Return the services with replicas in a namespace."""
        return tuple(n for n in self._in_namespace.get(namespace, []) if n != str(but))

    def _others(self, name: Hashable, nodes: Iterable[int], but: ServiceKey) -> tuple[str, ...]:
        if name not in self._lists:
            names = {service for number in nodes for service in self._on_node.get(number, [])}
            self._lists[name] = tuple(sorted(names))
        if str(but) not in self._holders:
            return self._lists[name]
        return tuple(service for service in self._lists[name] if service != str(but))


def held_by(services: tuple[str, ...]) -> str:
    """Return the end of a sentence that names who holds what is missing."""
    if not services:
        return ""
    more = len(services) - 3
    return f"; held by {', '.join(services[:3])}" + (f" and {more} more" if more > 0 else "")
