"""A move in words."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Move
from kwatt.status.moves import describe_move
from kwatt.units import Energy

KEY = ServiceKey("city", "traffic")
MOVE = Move((KEY,), None, 2, b.watts("12.5"), Energy(7_200_000), 3600)


def test_a_move_says_what_it_saves_and_what_it_costs() -> None:
    assert describe_move(MOVE, KEY) == (
        "draws less elsewhere: 12.5 W saved over 3600 s are 45000 J, 2 starts cost 7200 J"
    )


def test_an_emptied_node_is_named_with_the_others_that_leave_it() -> None:
    others = tuple(ServiceKey("city", f"s{number}") for number in range(10))
    emptied = replace(MOVE, services=(KEY, *others), emptied="n1", starts=1)

    said = describe_move(emptied, KEY)

    assert said.startswith("leaves node n1 empty, together with city/s0, city/s1, ")
    assert "city/s7 and 2 more: 12.5 W saved" in said
    assert said.endswith("1 start cost 7200 J")
