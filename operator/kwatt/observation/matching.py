"""Which nodes a selector matches, without asking every node about every selector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kwatt.model.selectors import LabelSelector, Requirement
from kwatt.observation.values import ParsedNode


class NodeIndex:
    """Nodes in order of their names, and by the value of each label that a selector has asked for."""

    def __init__(self, nodes: Iterable[ParsedNode]) -> None:
        self.nodes: Sequence[ParsedNode] = sorted(nodes, key=lambda node: node.name)
        self._by_key: dict[str, dict[str, list[int]]] = {}

    def matching(self, selector: LabelSelector) -> Sequence[int]:
        """Return the numbers of the nodes that `selector` matches, ascending."""
        first = min(selector.requirements, key=_breadth, default=None)
        if first is None or _breadth(first) == _ALL:
            found: Sequence[int] = range(len(self.nodes))
        else:
            found = self._numbers(first)
            if len(selector.requirements) == 1:
                return found
        return [number for number in found if selector.matches(self.nodes[number].labels)]

    def _numbers(self, requirement: Requirement) -> list[int]:
        """Return the nodes that match a requirement which the index can answer."""
        by_value = self._by_value(requirement.key)
        if requirement.operator == "Exists":
            lists = list(by_value.values())
        else:
            lists = [by_value.get(value, []) for value in dict.fromkeys(requirement.values)]
        return lists[0] if len(lists) == 1 else sorted(number for one in lists for number in one)

    def _by_value(self, key: str) -> dict[str, list[int]]:
        if key not in self._by_key:
            by_value: dict[str, list[int]] = {}
            for number, node in enumerate(self.nodes):
                if key in node.labels:
                    by_value.setdefault(node.labels[key], []).append(number)
            self._by_key[key] = by_value
        return self._by_key[key]


_ALL = 2


def _breadth(requirement: Requirement) -> int:
    """Rank requirements: those first that leave few nodes and that the index can answer."""
    return {"In": 0, "Exists": 1}.get(requirement.operator, _ALL)
