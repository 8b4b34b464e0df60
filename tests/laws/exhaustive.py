"""All plans of a small cluster, one by one, by the words of design 5 and 6: new replicas beside fixed ones.

Shares nothing with the planner but the values that it reads and returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from random import Random
from typing import NamedTuple

from kwatt.model.keys import Variant
from kwatt.model.plan import Placement
from kwatt.model.selectors import tolerated
from kwatt.model.snapshot import Service, Snapshot
from laws.audit import Curve, above_idle, covering, curves, meets
from laws.room import Amounts, Room, limits_of, needs_of, room_beside

Admission = tuple[Fraction, Fraction]  # of one level: services served whole, shares of the others


class Way(NamedTuple):
    """Alike replicas of a service, wherever they are.

    `served` is their rate in millionths a second, `cost` their milliwatts beyond the idle draw of the
    NPUs that they take, `watts` the whole watts above idle of one replica.
    """

    service: Service
    variant: Variant
    replicas: int
    served: int
    cost: Fraction
    watts: int

    @property
    def is_whole(self) -> bool:
        """Tell whether the whole target is served."""
        return self.served == self.service.target.micros


class Cluster:
    """A cluster with placements that stay, and what can be added to them."""

    def __init__(self, snapshot: Snapshot, fixed: Sequence[Placement] = ()) -> None:
        self.snapshot, self.nodes = snapshot, snapshot.nodes
        self.limits = limits_of(snapshot)
        self.over = [
            [n for n, budget in enumerate(snapshot.budgets) if node.name in budget.nodes]
            for node in self.nodes
        ]
        self.room = room_beside(snapshot, fixed)

    def ways(self, service: Service) -> Iterator[Way]:
        """Yield every way to serve a service, whole or in part, within its own limits."""
        for (npu_class, npus, setting), curve in curves(self.snapshot, service).items():
            resource = self.snapshot.classes[npu_class].resources[0]
            variant = Variant(npu_class, resource, npus, setting)
            slots = sum(max(0, self.room.npus[n]) // npus for n in self._fit(service, variant))
            most = slots if service.max_replicas is None else min(slots, service.max_replicas)
            for replicas in range(max(1, service.min_replicas), most + 1):
                way = self._way(service, variant, curve, replicas)
                if way is not None:
                    yield way

    def woken(self, nodes: Iterable[str]) -> int:
        """Return the idle milliwatts of nodes that drew nothing as long as they were empty."""
        names = set(nodes)
        return sum(
            self._wakes(self.room, n) for n, node in enumerate(self.nodes) if node.name in names
        )

    def spread(self, room: Room, way: Way) -> Iterator[tuple[Room, int]]:
        """Yield what every assignment of a way to nodes leaves, and the idle milliwatts that it wakes."""
        fit = self._fit(way.service, way.variant)
        yield from self._spread(room, way, fit, way.replicas, 0)

    def can_be_whole(self, service: Service) -> bool:
        """Tell whether a service can be served whole beside what is fixed."""
        return any(
            True for way in self.ways(service) if way.is_whole for _ in self.spread(self.room, way)
        )

    def least_cost(self, wants: Sequence[Sequence[Way]], limit: Fraction) -> Fraction | None:
        """Return the least cost of one way per service, None where all cost more than the limit."""
        least = [min((way.cost for way in ways), default=limit + 1) for ways in wants]
        states: dict[Room, Fraction] = {self.room: Fraction(0)}
        for place, ways in enumerate(wants):
            rest = sum(least[place + 1 :], Fraction(0))
            found: dict[Room, Fraction] = {}
            for room, cost in states.items():
                for way in ways:
                    if cost + way.cost + rest > limit:
                        continue
                    for left, opened in self.spread(room, way):
                        total = cost + way.cost + opened
                        if total + rest <= limit and total < found.get(left, total + 1):
                            found[left] = total
            states = found
        return min(states.values(), default=None)

    def any_cost(self, wants: Sequence[Sequence[Way]], chance: Random) -> Fraction | None:
        """Return the cost of a way per service with replicas on random nodes, None in a dead end."""
        room, cost = self.room, Fraction(0)
        for ways in wants:
            way = chance.choice(ways)
            cost += way.cost
            for _ in range(way.replicas):
                fit = self._fit(way.service, way.variant)
                lefts = [(n, left) for n in fit if (left := self._put(room, way, n, 1))]
                if not lefts:
                    return None
                number, left = chance.choice(lefts)
                cost += self._wakes(room, number)
                room = left
        return cost

    def serves_more(self, levels: Sequence[Sequence[Service]], served: Sequence[Admission]) -> bool:
        """Tell whether more can be served than `served` by level: the highest level decides first."""
        rooms = {self.room}
        for level, reached in zip(levels, served, strict=True):
            found = self._admissions(rooms, level, reached)
            if any(value > reached for value in found.values()):
                return True
            rooms = {room for room, value in found.items() if value == reached}
            assert rooms, "what is reached must be possible"
        return False

    def _admissions(
        self, rooms: Iterable[Room], level: Sequence[Service], reached: Admission
    ) -> dict[Room, Admission]:
        """Return the most that a level is served by what that leaves, if it may come up to `reached`."""
        states: dict[Room, Admission] = {room: (Fraction(0), Fraction(0)) for room in rooms}
        for place, service in enumerate(level):
            rest = len(level) - place - 1
            found: dict[Room, Admission] = {}
            for room, (whole, share) in states.items():
                for left, more in self._choices(room, service):
                    value = whole + more[0], share + more[1]
                    if (value[0] + rest, value[1] + rest) >= reached:
                        found[left] = max(value, found.get(left, value))
            states = found
        return states

    def _choices(self, room: Room, service: Service) -> Iterator[tuple[Room, Admission]]:
        yield room, (Fraction(0), Fraction(0))
        for way in self.ways(service):
            part = Fraction(way.served, service.target.micros)
            value = (Fraction(1), Fraction(0)) if way.is_whole else (Fraction(0), part)
            for left, _ in self.spread(room, way):
                yield left, value

    def _spread(
        self, room: Room, way: Way, fit: Sequence[int], replicas: int, opened: int
    ) -> Iterator[tuple[Room, int]]:
        if not replicas:
            yield room, opened
            return
        for place, number in enumerate(fit):
            wakes = self._wakes(room, number)
            for count in range(1, replicas + 1):
                left = self._put(room, way, number, count)
                if left is None:
                    break
                rest = replicas - count
                yield from self._spread(left, way, fit[place + 1 :], rest, opened + wakes)

    def _wakes(self, room: Room, number: int) -> int:
        """Return the idle milliwatts of a node that draws nothing while it is empty."""
        off = any(self.snapshot.budgets[b].empty_off for b in self.over[number])
        return (
            self._idle(number) * self.nodes[number].npus_capacity
            if off and room.empty[number]
            else 0
        )

    def _put(self, room: Room, way: Way, number: int, count: int) -> Room | None:
        """Return what is left with so many replicas on a node, None where that is not allowed."""
        shape = way.service.shapes.get(way.variant.npu_class, way.service.shape)
        waking = self._idle(number) * self.nodes[number].npus_capacity * room.empty[number]
        needs = self._quota_needs(way)
        left = Room(
            npus=_less(room.npus, number, count * way.variant.npus),
            cpu=_less(room.cpu, number, count * shape.cpu_milli),
            memory=_less(room.memory, number, count * shape.memory_bytes),
            pods=_less(room.pods, number, count),
            budgets=tuple(
                have
                - (number_of in self.over[number])
                * (1000 * way.watts * count + waking * self.snapshot.budgets[number_of].empty_off)
                for number_of, have in enumerate(room.budgets)
            ),
            quotas=tuple(
                have - need * count for have, need in zip(room.quotas, needs, strict=True)
            ),
            empty=tuple(was and n != number for n, was in enumerate(room.empty)),
        )
        of_node = (left.npus, left.cpu, left.memory, left.pods)
        enough = (
            all(amounts[number] >= 0 for amounts in of_node)
            and all(left.budgets[budget] >= 0 for budget in self.over[number])
            and all(have >= 0 or not need for have, need in zip(left.quotas, needs, strict=True))
        )
        return left if enough else None

    def _way(self, service: Service, variant: Variant, curve: Curve, replicas: int) -> Way | None:
        above = above_idle(self.snapshot, curve)
        idle = self.snapshot.classes[variant.npu_class].idle.milliwatts * variant.npus
        limit, target = service.power_limit, service.target.micros
        if limit is not None and replicas * (idle + 1000 * above) > limit.milliwatts:
            return None
        point = covering(curve, target, replicas)
        rates = [p.rate.micros * replicas for p in curve if meets(service, p)]
        parts = max((rate for rate in rates if rate <= target), default=0)
        served = target if point is not None and meets(service, point) else parts
        cost = drawn(curve, served, replicas) - replicas * idle
        return Way(service, variant, replicas, served, cost, above) if served else None

    def _fit(self, service: Service, variant: Variant) -> list[int]:
        tolerations = self.snapshot.classes[variant.npu_class].tolerations
        shape = service.shapes.get(variant.npu_class, service.shape)
        return [
            number
            for number, node in enumerate(self.nodes)
            if (node.npu_class, node.resource) == (variant.npu_class, variant.resource)
            and node.ready
            and not node.unschedulable
            and tolerated(node.taints, shape.tolerations + tolerations)
            and all(node.labels.get(key) == value for key, value in shape.node_selector)
            and (
                shape.affinity is None
                or any(term.matches(node.name, node.labels) for term in shape.affinity)
            )
        ]

    def _idle(self, number: int) -> int:
        npu_class = self.snapshot.classes.get(self.nodes[number].npu_class or "")
        return npu_class.idle.milliwatts if npu_class else 0

    def _quota_needs(self, way: Way) -> list[int]:
        return [
            needs_of(way.service, way.variant, way.watts).get(key, 0)
            if namespace == way.service.key.namespace
            else 0
            for namespace, key in self.limits
        ]


def drawn(curve: Curve, served: int, replicas: int) -> Fraction:
    """Return the milliwatts of alike replicas: linear between points, level below the lowest (design 6)."""
    share = Fraction(served, replicas)
    low = max((p for p in curve if p.rate.micros < share), key=lambda p: p.rate, default=curve[0])
    high = next(p for p in curve if p.rate.micros >= share)
    run, rise = high.rate.micros - low.rate.micros, high.power.milliwatts - low.power.milliwatts
    if run <= 0:
        return Fraction(replicas * high.power.milliwatts)
    return replicas * (low.power.milliwatts + Fraction(rise) * (share - low.rate.micros) / run)


def _less(amounts: Amounts, number: int, amount: int) -> Amounts:
    return (*amounts[:number], amounts[number] - amount, *amounts[number + 1 :])
