"""Law: no plan that serves the same services at the same rates draws less than the proven bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import permutations, product
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Node, Service, Snapshot
from kwatt.planning import bound
from kwatt.planning.plan import proven_plan
from laws.audit import Curve, above_idle, counted, covering, curves, meets
from laws.strategies import LAW, snapshots, with_plan_running

MOST_STEPS = 20_000
Counts = tuple[int, ...]
Candidate = tuple[Fraction, Curve, Counts]  # exact milliwatts of its replicas, replicas per node

ODD_POINTS = (
    (b.point(100, 40), b.point(200, 35), b.point(300, 90)),  # falls
    (b.point(60, 0), b.point(120, 0.001), b.point(400, 5, npus=2)),  # draws less than idle
    (b.point(0, 12), b.point(90, 60, 10), b.point(180, 61, 30), b.point(270, 200, 10)),
    (b.point(110, 10.5), b.point(150, 9, npu_class="rngd"), b.point(500, 9.5, npu_class="rngd")),
)


@st.composite
def odd_snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw a world with curves that fall, draw less than idle, or begin without a rate."""
    profiles = {
        name: b.profile(*draw(st.sampled_from(ODD_POINTS)), name=name)
        for name in ("yolo", "bert", "rag")
    }
    return replace(draw(snapshots()), profiles=profiles)


@LAW
@given(snapshots() | odd_snapshots())
def test_no_plan_draws_less_than_the_bound(snapshot: Snapshot) -> None:
    """Every assignment within NPUs and budgets is tried, as far as it may draw less than the bound."""
    result = proven_plan(snapshot)

    assert result.bound is not None, result.unproven
    assert Search(snapshot, result, result.bound.power.milliwatts).cheaper() is None


@LAW
@given(snapshots() | odd_snapshots())
def test_the_bound_of_large_clusters_is_valid_on_small_ones(snapshot: Snapshot) -> None:
    """Services that choose jointly, nodes in parts and budgets in any case prove no more than there is."""
    large = {"ALL_AT_ONCE": 0, "BLOCKS": 1, "MOST_NODE_ROWS": 0, "ENOUGH": Fraction(-1)}
    with mock.patch.multiple(bound, **large):
        result = proven_plan(snapshot)

    assert result.bound is not None, result.unproven
    assert Search(snapshot, result, result.bound.power.milliwatts).cheaper() is None


@LAW
@given(snapshots())
def test_the_search_finds_the_plan_itself(snapshot: Snapshot) -> None:
    """The search is not blind: asked for less than the plan's draw and a milliwatt, it finds something."""
    result = proven_plan(snapshot)

    search = Search(snapshot, result, result.totals.draw.milliwatts + 1)
    found = search.cheaper()
    assert found is not None or search.steps > MOST_STEPS


@LAW
@given(snapshots())
def test_the_gap_is_between_bound_and_draw(snapshot: Snapshot) -> None:
    """gapPercent = 100 (drawWatts - bound) / bound; a bound of 0 has gap 0 (design 4b, 6)."""
    result = proven_plan(snapshot)

    assert result.bound is not None, result.unproven
    draw, power = result.totals.draw.milliwatts, result.bound.power.milliwatts
    assert 0 <= power <= draw
    assert result.bound.gap_percent == (
        float(Fraction(100 * (draw - power), power)) if power else 0
    )


@LAW
@given(snapshots())
def test_plans_made_in_another_way_draw_no_less_than_the_bound(snapshot: Snapshot) -> None:
    """From nothing, from what runs, and in reverse order of names: each keeps to the others' bounds."""
    fresh_world = replace(
        snapshot, services=tuple(replace(s, incumbents=()) for s in snapshot.services)
    )
    fresh = proven_plan(fresh_world)
    again = proven_plan(with_plan_running(fresh_world, fresh))
    renamed = proven_plan(replace(fresh_world, services=tuple(map(_renamed, fresh_world.services))))

    for one, other in permutations((fresh, again, renamed), 2):
        assert one.bound is not None
        if rates(one) == rates(other):
            assert one.bound.power <= other.totals.draw


def _renamed(service: Service) -> Service:
    """Return the service under a name that sorts in reverse."""
    number = int(service.key.name[1:])
    return replace(service, key=service.key._replace(name=f"s{number}", namespace=f"{9 - number}"))


def rates(result: Plan) -> dict:
    """Return the rate served of each service by name."""
    return {key.name: rate for key, rate in shares(result).items()}


def shares(result: Plan) -> dict:
    """Return the rate served of each service."""
    served: dict = {}
    for p in result.placements:
        served[p.service] = served.get(p.service, 0) + p.rate.micros
    return served


class Search:
    """Depth first over the ways to serve each service; what can't end below `limit` is left out."""

    def __init__(self, snapshot: Snapshot, result: Plan, limit: int) -> None:
        self.snapshot, self.limit, self.steps = snapshot, limit, 0
        by_key = {s.key: s for s in snapshot.services}
        self.fixed = [p for p in result.placements if by_key[p.service].held is not None]
        served = {
            key: rate for key, rate in shares(result).items() if by_key[key].held is None and rate
        }
        short = {u.service for u in result.unplaced}
        self.services = [by_key[key] for key in sorted(served)]
        self.candidates = [
            sorted(
                candidates(snapshot, s, served[s.key], s.key in short, self.fixed), key=self.least
            )
            for s in self.services
        ]
        self.rest = [
            sum((self.least(c[0]) for c in self.candidates[depth:]), Fraction(0))
            for depth in range(len(self.candidates) + 1)
        ]
        self.floor = drawn(snapshot, self.fixed, planned_of(self.fixed))

    def least(self, candidate: Candidate) -> Fraction:
        """Return the least by which a candidate raises the draw: its own less all that it may free."""
        planned, curve, counts = candidate
        idles = [idle_of(self.snapshot, node) for node in self.snapshot.nodes]
        freed = sum(c * curve[0].npus * idle for c, idle in zip(counts, idles, strict=True))
        return planned - freed

    def cheaper(self) -> list[Placement] | None:
        """Return placements that draw less than the limit, None if there are none (or too many steps)."""
        return self.descend(0, list(self.fixed), planned_of(self.fixed), Fraction(0))

    def descend(
        self, depth: int, placements: list[Placement], planned: Fraction, added: Fraction
    ) -> list[Placement] | None:
        if depth == len(self.services):
            total = nearest(drawn(self.snapshot, placements, planned))
            return placements if total < self.limit and self.is_within_budgets(placements) else None
        for candidate in self.candidates[depth]:
            low = added + self.least(candidate)
            if nearest(self.floor + low + self.rest[depth + 1]) >= self.limit:
                return None
            self.steps += 1
            if self.steps > MOST_STEPS:
                return None
            more = placements + placed(self.snapshot, self.services[depth], candidate)
            if not self.fits(more):
                continue
            found = self.descend(depth + 1, more, planned + candidate[0], low)
            if found is not None:
                return found
        return None

    def fits(self, placements: list[Placement]) -> bool:
        """Tell whether the NPUs of each node suffice for the replicas that are of its own kind."""
        return all(
            sum(
                p.replicas * p.variant.npus
                for p in placements
                if p.node == node.name and is_at_home(node, p)
            )
            <= max(0, free_npus(node))
            for node in self.snapshot.nodes
        )

    def is_within_budgets(self, placements: list[Placement]) -> bool:
        fixed = {id(p) for p in self.fixed}
        touched = {p.node for p in placements if id(p) not in fixed}
        return all(
            counted(self.snapshot, budget, placements) <= budget.cap.milliwatts
            for budget in self.snapshot.budgets
            if touched & set(budget.nodes)
        )


def candidates(
    snapshot: Snapshot, service: Service, share: int, in_part: bool, fixed: list[Placement]
) -> Iterator[Candidate]:
    """Yield every way to serve at least a share: new replicas on fit nodes, running ones where they are."""
    for curve in curves(snapshot, service).values():
        slots = [
            range(_most_on(snapshot, service, node, curve, fixed) + 1) for node in snapshot.nodes
        ]
        for counts in product(*slots):
            replicas = sum(counts)
            for rate in _rates(service, share, curve, replicas) if in_part else {share}:
                if _is_allowed(snapshot, service, curve, replicas, rate):
                    yield draw_of(curve, rate, replicas), curve, counts


def _rates(service: Service, share: int, curve: Curve, replicas: int) -> set[int]:
    whole, exact = service.target.micros, {p.rate.micros * replicas for p in curve}
    return {rate for rate in {share, whole, *exact} if share <= rate <= whole}


def _is_allowed(
    snapshot: Snapshot, service: Service, curve: Curve, replicas: int, rate: int
) -> bool:
    most = service.max_replicas or replicas
    if not max(1, service.min_replicas) <= replicas <= most:
        return False
    point = covering(curve, rate, replicas)
    limit = service.power_limit
    idle = snapshot.classes[curve[0].npu_class].idle.milliwatts * curve[0].npus
    reserved = replicas * (idle + 1000 * above_idle(snapshot, curve))
    within = limit is None or reserved <= limit.milliwatts
    return point is not None and meets(service, point) and within


def _most_on(
    snapshot: Snapshot, service: Service, node: Node, curve: Curve, fixed: list[Placement]
) -> int:
    point = curve[0]
    variant = b.variant(point.npu_class, point.npus, dict(point.env))
    running = sum(
        i.replicas for i in service.incumbents if (i.variant, i.node) == (variant, node.name)
    )
    if (node.npu_class, node.resource) != (variant.npu_class, variant.resource):
        return running
    held = sum(
        p.replicas * p.variant.npus for p in fixed if p.node == node.name and is_at_home(node, p)
    )
    room = max(0, free_npus(node) - held) // point.npus
    return room if node.ready and not node.unschedulable else min(room, running)


def placed(snapshot: Snapshot, service: Service, candidate: Candidate) -> list[Placement]:
    """Return a candidate's placements with their reserved watts."""
    _, curve, counts = candidate
    npu_class, point = snapshot.classes[curve[0].npu_class], curve[0]
    reserved = npu_class.idle * point.npus + b.watts(above_idle(snapshot, curve))
    variant = b.variant(point.npu_class, point.npus, dict(point.env))
    return [
        Placement(service.key, variant, "", n.name, c, b.rate(0), reserved * c, b.watts(0))
        for n, c in zip(snapshot.nodes, counts, strict=True)
        if c
    ]


def draw_of(curve: Curve, rate: int, replicas: int) -> Fraction:
    """Return the exact milliwatts of alike replicas: linear between points, level below the lowest."""
    share = Fraction(rate, replicas)
    if share <= curve[0].rate.micros:
        return Fraction(replicas * curve[0].power.milliwatts)
    place = next(n for n, point in enumerate(curve) if point.rate.micros >= share)
    low, high = curve[place - 1], curve[place]
    part = (share - low.rate.micros) / (high.rate.micros - low.rate.micros)
    rise = high.power.milliwatts - low.power.milliwatts
    return replicas * (low.power.milliwatts + part * rise)


def drawn(snapshot: Snapshot, placements: list[Placement], planned: Fraction) -> Fraction:
    """Return the milliwatts of design 6: idle + planned + foreign; PoweredOff wins."""
    total = planned
    off = {name for budget in snapshot.budgets if budget.empty_off for name in budget.nodes}
    for node in snapshot.nodes:
        npu_class, idle = snapshot.classes.get(node.npu_class or ""), idle_of(snapshot, node)
        here = [p for p in placements if p.node == node.name]
        others = node.foreign_npus + node.stuck_npus
        held = sum(p.replicas * p.variant.npus for p in here)
        if here or others or node.name not in off:
            total += idle * max(0, node.npus_capacity - others - held)
        total += node.foreign_npus * npu_class.max.milliwatts if npu_class else 0
        total += node.stuck_npus * idle + 1000 * node.stuck_watts
    return total


def planned_of(placements: list[Placement]) -> Fraction:
    """Return the planned watts of placements in milliwatts, which are whole for held services."""
    return Fraction(sum(p.planned.milliwatts for p in placements))


def is_at_home(node: Node, placement: Placement) -> bool:
    """Tell whether a node has the NPUs of a placement's variant."""
    variant = placement.variant
    return (node.npu_class, node.resource) == (variant.npu_class, variant.resource)


def free_npus(node: Node) -> int:
    """Return the NPUs that KWatt's pods may hold."""
    usable = min(node.npus_allocatable, node.npus_capacity)
    return usable - node.foreign_npus - node.stuck_npus


def idle_of(snapshot: Snapshot, node: Node) -> int:
    """Return the idle milliwatts of one NPU of a node."""
    npu_class = snapshot.classes.get(node.npu_class or "")
    return npu_class.idle.milliwatts if npu_class else 0


def nearest(value: Fraction) -> int:
    """Return the nearest whole number, halves up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
