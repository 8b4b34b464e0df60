"""Filling: copies of a node are opened together, as they would be one by one."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import builders as b
from kwatt.model.snapshot import Snapshot
from kwatt.planning.draft import Draft
from kwatt.planning.fill import Board
from kwatt.planning.layout import Ints
from kwatt.planning.place import spots_of
from kwatt.planning.spots import Spots
from laws.strategies import LAW

PAIR = b.point(100, 60, npus=2)


class OneByOne(Board):
    """Opens the node with the least idle watts per replica, and looks at all of them again after each."""

    def open_nodes(self) -> None:
        while self._new_left():
            taken = np.minimum(self._fits(), self._new_left()) * self._closed()
            places = np.flatnonzero(taken)
            if not len(places):
                return
            idle_each = self.spots.opening[places] * 2**20 // taken[places]
            numbers, rooms = self.spots.nodes[places], self._headroom(places)
            best = np.lexsort((numbers, -rooms, -taken[places], idle_each))[0]
            self._put(int(places[best]), self._new_left())


class Counting(Board):
    """Counts how often it looks at all nodes."""

    looks = 0

    def _fits(self) -> Ints:
        self.looks += 1
        return super()._fits()


@st.composite
def racks(draw: st.DrawFn) -> Snapshot:
    """Return replicas of two NPUs on nodes whose NPUs they may not all use, in racks with few watts."""
    sizes = draw(st.lists(st.sampled_from((2, 3, 8)), min_size=1, max_size=4))
    nodes = [b.node(f"n{number}", npus) for number, npus in enumerate(sizes)]
    caps = draw(st.lists(st.integers(50, 1500), min_size=3, max_size=3))
    members = ([n.name for n in nodes[::2]], [n.name for n in nodes[1::2]], [n.name for n in nodes])
    budgets = [
        b.budget(f"rack{number}", cap=cap, nodes=names, empty_off=True)
        for number, (cap, names) in enumerate(zip(caps, members, strict=True))
        if names
    ]
    return b.snapshot([b.service(target=100)], nodes, budgets, profiles=[b.profile(PAIR)])


@LAW
@given(racks(), st.integers(1, 40), st.integers(1, 4))
def test_copies_opened_together_are_those_opened_one_by_one(
    snapshot: Snapshot, replicas: int, copies: int
) -> None:
    draft = Draft(snapshot)
    for service in snapshot.services:
        for option in draft.options(service):
            spots = copied(spots_of(draft, service, option, draft.committed), copies)
            together, alone = (
                kind(draft.layout, spots, draft.committed.room, replicas)
                for kind in (Board, OneByOne)
            )
            for board in (together, alone):
                board.open_nodes()

            assert (together.counts, together.room) == (alone.counts, alone.room)


def test_a_look_at_the_nodes_is_enough_for_all_copies() -> None:
    """Of 1,000 nodes for 8 replicas each the last one has fewer: it is looked at apart."""
    budget = b.budget(nodes=("a",), cap=10**7, empty_off=True)
    draft = Draft(b.snapshot([b.service(target=100)], [b.node("a", 8)], [budget]))
    ((service, option),) = ((s, o) for s in draft.snapshot.services for o in draft.options(s))
    spots = copied(spots_of(draft, service, option, draft.committed), 1000)
    board = Counting(draft.layout, spots, draft.committed.room, 7993)

    board.open_nodes()

    assert board.counts == {place: 8 for place in range(999)} | {999: 1}
    assert board.looks == 2


def copied(spots: Spots, copies: int) -> Spots:
    """Return spots of which each is there so many times, with quota for all of them."""
    arrays = {f.name: getattr(spots, f.name) for f in fields(spots)}
    more = {n: np.tile(a, copies) for n, a in arrays.items() if isinstance(a, np.ndarray)}
    return replace(spots, **more, quota=10**6)
