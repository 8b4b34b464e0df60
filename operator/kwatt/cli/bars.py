"""The bar of a budget: what counts against its cap, and what the signs mean. Pure."""

from __future__ import annotations

from kwatt.cli.text import Colour, Segment, Style

_WIDTH = 32
_SIGNS = {"hosts": "▓=", "idle": "░-", "foreign": "▒!", "reserved": "█#", "headroom": "·."}


def bar_width(style: Style) -> int:
    """Return how wide bars are drawn."""
    return min(_WIDTH, style.width // 4)


def segments(host: int, idle: int, foreign: int, reserved: int) -> tuple[Segment, ...]:
    """Return what counts against a cap, in the order in which it is drawn."""
    amounts = {"hosts": host, "idle": idle, "foreign": foreign, "reserved": reserved}
    return tuple(Segment(amount, *_SIGNS[name]) for name, amount in amounts.items())


def legend(style: Style) -> str:
    """Return what each sign means."""
    parts = (f"{style.sign(pair[0], pair[1])} {word}" for word, pair in _SIGNS.items())
    return style.paint("  ".join(parts), Colour.FAINT)
