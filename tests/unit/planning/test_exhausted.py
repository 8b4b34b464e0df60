"""What is known of closed nodes without a look at them is what a look at each of them would tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.snapshot import Service, Snapshot
from kwatt.planning.bins import Piece
from kwatt.planning.draft import Draft
from kwatt.planning.exhausted import FreedNodes
from kwatt.planning.fitting import FittingBins
from kwatt.planning.plan import drafted
from kwatt.planning.standing import Standing, standing_of
from laws.strategies import LAW

NODES = ("a1", "a2", "b1", "b2", "c1", "r1")
TARGETS = (50, 100, 200, 300, 500)


@st.composite
def racks(draw: st.DrawFn) -> Snapshot:
    """Draw small services on racks that are short of watts at times, under a budget over some or all."""
    caps = st.sampled_from((150, 260, 400, 2000))
    services = tuple(b.service(f"s{n}", 50) for n in range(draw(st.integers(2, 5))))
    off = {"empty_off": True}
    return b.snapshot(
        services,
        [b.node(name, 4, "rngd" if name[0] == "r" else b.ATOM) for name in NODES],
        [
            b.budget("a", draw(caps), NODES[:2], **off),
            b.budget("b", draw(caps), NODES[2:4], **off),
            b.budget("ab", draw(caps), NODES[:4], **off),
            b.budget(
                "all", draw(st.sampled_from((900, 5000))), NODES, empty_off=draw(st.booleans())
            ),
        ],
        classes=[b.npu_class(), b.npu_class("rngd", most=200)],
        profiles=[
            b.profile(
                b.point(100, 60),
                b.point(250, 140, npus=2),
                b.point(100, 90, npu_class="rngd"),
            )
        ],
    )


@settings(LAW, max_examples=200)
@given(racks(), st.data())
def test_no_closed_node_is_passed_over_and_none_is_made_up(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    made = drafted(snapshot)
    standing = None if made.unplaced else standing_of(made.draft, made.market)
    if standing is None:
        return
    for _ in range(data.draw(st.integers(1, 8))):
        _step(standing, data)
        for piece in _pieces(standing):
            found = standing.bins._pools[piece.pool].next_closed(piece, 1)
            takers = [n for n in range(len(NODES)) if _is_closed_taker(standing, piece, n)]
            assert (found in takers) if takers else found is None


def test_watts_that_are_freed_in_another_rack_count_where_one_budget_is_over_both() -> None:
    """Three replicas and an open node leave less than that of the watts over both racks."""
    nodes = [b.node("a1", 4), b.node("b1", 4)]
    caps = (("a", 1000, ["a1"]), ("b", 1000, ["b1"]), ("both", 200, ["a1", "b1"]))
    budgets = [b.budget(name, cap, under, empty_off=True) for name, cap, under in caps]
    draft = Draft(b.snapshot([b.service()], nodes, budgets))
    bins, demand = FittingBins(draft.layout, draft.committed), draft.options(b.service())[0].demand
    at_a, at_b = (Piece(bins.pool(np.array([n])), 1, 50_000, 0, 0, demand) for n in (0, 1))

    placed = bins.place(at_a, 3)
    full = bins.place(at_b, 1)
    bins.take(at_a, placed or [])

    assert (placed, full, bins.place(at_b, 1)) == ([(0, 3)], None, [(1, 1)])


def _step(standing: Standing, data: st.DataObject) -> None:
    service: Service = data.draw(
        st.sampled_from([standing.services[k] for k in sorted(standing.services)])
    )
    if data.draw(st.integers(0, 4)) == 0:
        node = data.draw(st.sampled_from(NODES))
        delta = standing.lose(node)
        if delta.is_covered:
            standing.regain(node)
            standing.put_back(delta)
    standing.change(replace(service, target=b.rate(data.draw(st.sampled_from(TARGETS)))))


def _pieces(standing: Standing) -> list[Piece]:
    service = standing.services[min(standing.services)]
    options = standing._draft.options(service)
    return [standing.piece(service, option) for option in options]


def _is_closed_taker(standing: Standing, piece: Piece, number: int) -> bool:
    bins = standing.bins
    in_pool = number in bins._pools[piece.pool].nodes
    return in_pool and not bins.is_open(number) and bins.fits(number, piece) > 0


def test_the_log_of_freed_nodes_keeps_the_last_ones_only() -> None:
    log = FreedNodes()
    for number in range(10_000):
        log.append(number)

    assert (sorted(log.since(9_998) or ()), log.since(0)) == ([9_998, 9_999], None)
