"""A move of running replicas in words, with the figures that decided."""

from __future__ import annotations

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Move
from kwatt.units import Energy

_SHOWN = 8


def describe_move(move: Move, service: ServiceKey) -> str:
    """Say to one of its services why a move pays."""
    others = [str(key) for key in move.services if key != service]
    together = f", together with {_listed(others)}" if others else ""
    emptied = (
        f"leaves node {move.emptied} empty{together}" if move.emptied else "draws less elsewhere"
    )
    brought = Energy.of(move.saved, move.horizon_seconds)
    starts = "1 start" if move.starts == 1 else f"{move.starts} starts"
    return (
        f"{emptied}: {move.saved} saved over {move.horizon_seconds} s are {brought}, "
        f"{starts} cost {move.charged}"
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
