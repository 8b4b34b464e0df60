"""What others gain by a step: less draw and nobody short, and what runs stays where it is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.snapshot import Incumbent, Snapshot
from kwatt.planning.accounting import drawn_by, rows_of
from kwatt.planning.ledger import Ledger
from kwatt.planning.plan import drafted
from kwatt.planning.standing import Standing, standing_of
from kwatt.planning.tidying import Holdings, Tidied, returned, tidied
from laws.strategies import LAW

NAMES = ("a1", "a2", "a3", "r1", "r2", "r3", "r4")


def stands(snapshot: Snapshot) -> Standing | None:
    made = drafted(snapshot)
    return None if made.unplaced else standing_of(made.draft, made.market)


def drawn(standing: Standing) -> int:
    """Return the draw of all that stands, in milliwatts, counted from nothing."""
    holdings = {key: (holding,) for key, holding in standing.holdings.items()}
    return drawn_by(standing.layout, rows_of(standing.layout, holdings)).milliwatts


def drop(standing: Standing, key: ServiceKey) -> None:
    """Take everything from a service, and tidy nothing."""
    before = standing.holdings[key]
    standing.take(before, before.counts)
    standing.displaced.note(key, None)
    del standing.services[key]
    standing.settle({key: before}, {key: None})


def run(standing: Standing, key: ServiceKey) -> None:
    """Let what a service holds run."""
    nodes, holding = standing.layout.nodes, standing.holdings[key]
    demand = holding.demand
    running = tuple(
        Incumbent(demand.variant, nodes[number].name, count, demand.watts)
        for number, count in holding.counts
    )
    standing.services[key] = replace(standing.services[key], incumbents=running)


def pools_of(standing: Standing) -> list[int]:
    return sorted({standing.piece_of(key).pool for key in standing.holdings})


def kinds_of(snapshot: Snapshot) -> list[tuple[str, str]]:
    return sorted({(n.npu_class, n.resource) for n in snapshot.nodes if n.npu_class and n.resource})


@st.composite
def untidy(draw: st.DrawFn) -> tuple[Snapshot, Standing]:
    """Draw what stands after services grew, ran, and went without anybody tidying up.

    Two kinds of node are empty at times, and draw nothing then. Atoms are cheaper, and too few for all.
    """
    rates = draw(st.lists(st.sampled_from((50, 100, 150, 200)), min_size=4, max_size=7))
    services = tuple(b.service(f"s{n}", rate) for n, rate in enumerate(rates))
    power = draw(st.sampled_from((70, 110, 160)))
    snapshot = b.snapshot(
        services,
        [b.node(name, 4, "rngd" if name[0] == "r" else b.ATOM) for name in NAMES],
        [b.budget("all", 5000, NAMES, empty_off=True)],
        classes=[b.npu_class(), b.npu_class("rngd", idle=draw(st.sampled_from((5, 30))), most=200)],
        profiles=[b.profile(b.point(100, 60), b.point(100, power, npu_class="rngd"))],
    )
    standing = stands(snapshot)
    assert standing, "there is room for all"
    for service in services:
        standing.change(replace(service, target=b.rate(draw(st.sampled_from((50, 200, 300, 400))))))
        if draw(st.integers(0, 5)) == 0:
            run(standing, service.key)
    atoms = sorted(k for k, h in standing.holdings.items() if h.demand.variant.npu_class == b.ATOM)
    for key in draw(st.sets(st.sampled_from(atoms), min_size=1)) if atoms else ():
        drop(standing, key)
    return snapshot, standing


@settings(LAW, max_examples=150)
@given(untidy())
def test_emptying_nodes_lowers_the_draw(world: tuple[Snapshot, Standing]) -> None:
    snapshot, standing = world
    before, held = drawn(standing), dict(standing.holdings)

    closed = tidied(standing, pools_of(standing))

    assert drawn(standing) < before if closed.after else drawn(standing) == before
    _audit(snapshot, standing, held, closed)
    assert all(closed.after[key].demand == held[key].demand for key in closed.after)


@settings(LAW, max_examples=150)
@given(untidy())
def test_coming_home_never_raises_the_draw(world: tuple[Snapshot, Standing]) -> None:
    snapshot, standing = world
    before, held = drawn(standing), dict(standing.holdings)

    home = returned(standing, kinds_of(snapshot))

    assert drawn(standing) <= before
    _audit(snapshot, standing, held, home)


def _audit(snapshot: Snapshot, standing: Standing, held: Holdings, found: Tidied) -> None:
    """Nobody is short, what runs stays, and what is left is what nobody holds."""
    assert standing.holdings == {**held, **found.after}
    assert found.before == {key: held[key] for key in found.after}
    assert all(holding.is_whole for holding in standing.holdings.values())
    assert not any(standing.services[key].incumbents for key in found.after)
    ledger = Ledger(standing.layout, snapshot)
    for holding in standing.holdings.values():
        for number, count in holding.counts:
            ledger.add(number, holding.demand, count)
    assert standing.room() == ledger.room.tolist()
    assert min(standing.room()) >= min(0, *Ledger(standing.layout, snapshot).room.tolist())


def test_nobody_comes_home_to_a_node_that_draws_more_than_is_saved() -> None:
    """The other node stays open for somebody else; home, three more NPUs would idle."""
    lodger = b.service("lodger", 100, allowed=("rngd",))
    snapshot = b.snapshot(
        [b.service("parking", 400), lodger],
        [b.node("a1", 4), b.node("r1", 4, "rngd")],
        [b.budget("all", 5000, ("a1", "r1"), empty_off=True)],
        classes=[b.npu_class(), b.npu_class("rngd", idle=30, most=200)],
        profiles=[b.profile(b.point(100, 60), b.point(100, 110, npu_class="rngd"))],
    )
    standing = stands(snapshot)
    assert standing
    standing.change(b.service("traffic", 100))
    drop(standing, ServiceKey("city", "parking"))
    before = drawn(standing)

    home = returned(standing, kinds_of(snapshot))

    assert drawn(standing) <= before
    assert not home.after
