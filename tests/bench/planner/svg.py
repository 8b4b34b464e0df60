"""A small writer of line plots as SVG. Values in, text out; equal values give equal text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 400
LEFT: Final = 70
RIGHT: Final = 170
TOP: Final = 40
BOTTOM: Final = 50
# Okabe-Ito: told apart with any colour vision.
COLOURS: Final = (
    "#000000",
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
    "#808080",
    "#b8a800",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points (x, y)."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot; `x_names` names the places on the x axis where they are not plain numbers."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    x_names: tuple[tuple[float, str], ...] = ()
    log_y: bool = False


def render(plot: Plot) -> str:
    """Return the plot as an SVG document."""
    return "\n".join(["".join(_head(plot)), *_axes(plot), *_lines(plot), "</svg>", ""])


def _head(plot: Plot) -> Iterator[str]:
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    yield 'font-family="sans-serif" font-size="12">\n'
    yield f"<title>{escape(plot.title)}</title>\n"
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
    yield f'<text x="{LEFT}" y="22" font-size="15">{escape(plot.title)}</text>'


def _axes(plot: Plot) -> Iterator[str]:
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    for value, text in _y_ticks(plot):
        y = _y(plot, value)
        yield f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    for value, text in _x_ticks(plot):
        x = _x(plot, value)
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(text)}</text>'
    frame = f'x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"'
    yield f'<rect {frame} fill="none" stroke="#444444"/>'
    middle = (left + right) / 2
    yield f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(plot.x)}</text>'
    turned = f'transform="rotate(-90 16 {(top + bottom) / 2})"'
    yield f'<text x="16" y="{(top + bottom) / 2}" text-anchor="middle" {turned}>{escape(plot.y)}</text>'


def _lines(plot: Plot) -> Iterator[str]:
    for number, line in enumerate(plot.lines):
        colour = COLOURS[number % len(COLOURS)]
        places = [(_x(plot, x), _y(plot, y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        y = TOP + 10 + 18 * number
        x = WIDTH - RIGHT + 12
        yield f'<line x1="{x}" x2="{x + 20}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{x + 26}" y="{y + 4}">{escape(line.name)}</text>'


def _x_range(plot: Plot) -> tuple[float, float]:
    values = [x for line in plot.lines for x, _ in line.points] or [0.0]
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _y_range(plot: Plot) -> tuple[float, float]:
    values = [y for line in plot.lines for _, y in line.points] or [0.0]
    if plot.log_y:
        positive = [y for y in values if y > 0] or [1.0]
        return 10.0 ** math.floor(math.log10(min(positive))), 10.0 ** math.ceil(
            math.log10(max(positive)) + 1e-9
        )
    step = _step(max(values) - min(0.0, *values))
    return step * math.floor(min(0.0, *values) / step), step * math.ceil(max(values) / step + 1e-9)


def _step(span: float) -> float:
    """Return 1, 2 or 5 times a power of ten, so that there are four to ten ticks."""
    if span <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(power * factor for factor in (5, 2, 1) if span / (power * factor) >= 4)


def _y_ticks(plot: Plot) -> Iterator[tuple[float, str]]:
    low, high = _y_range(plot)
    if plot.log_y:
        for exponent in range(round(math.log10(low)), round(math.log10(high)) + 1):
            yield 10.0**exponent, f"{10.0**exponent:g}"
        return
    step = _step(high - low)
    for number in range(round(low / step), round(high / step) + 1):
        yield number * step, f"{number * step:g}"


def _x_ticks(plot: Plot) -> Sequence[tuple[float, str]]:
    if plot.x_names:
        return plot.x_names
    values = sorted({x for line in plot.lines for x, _ in line.points})
    return [(value, f"{value:g}") for value in values]


def _x(plot: Plot, value: float) -> float:
    low, high = _x_range(plot)
    return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _y(plot: Plot, value: float) -> float:
    low, high = _y_range(plot)
    if plot.log_y:
        low, high, value = math.log10(low), math.log10(high), math.log10(max(value, low))
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
