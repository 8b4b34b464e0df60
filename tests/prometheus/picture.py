"""Draw the dashboard from what a real Prometheus answers to its queries: `python -m prometheus.picture FILE`.

Grafana is not needed: panels stand where dashboard.json puts them. Behind it are a real operator on a local
control plane and fake NPUs under load, as city.py starts them.
"""

from __future__ import annotations

import math
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

from cluster import cluster as local
from e2e.harness import REPO, Kubectl
from prometheus.city import city
from prometheus.queries import DASHBOARD, filled
from prometheus.server import Prometheus

UNIT_X, UNIT_Y, HEAD = 62, 26, 30
_SHOWN_SECONDS: Final = 150.0
# Okabe-Ito: told apart with any colour vision.
COLOURS: Final = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
    "#808080",
    "#000000",
)
_UNITS: Final = {
    "watt": " W",
    "joule": " J",
    "s": " s",
    "percentunit": " %",
    "reqps": "/s",
    "cps": "/s",
}
Points = list[tuple[float, float]]


class Span(NamedTuple):
    """A stretch of time."""

    start: float
    end: float


class Series(NamedTuple):
    """A line and its name in the legend."""

    name: str
    points: Points


class Box(NamedTuple):
    """Where a panel stands, in pixels."""

    x: float
    y: float
    width: float
    height: float


def draw(source: Prometheus, span: Span) -> str:
    """Return the dashboard over a span as an SVG document."""
    panels = DASHBOARD["panels"]
    height = HEAD + UNIT_Y * max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    width = 24 * UNIT_X
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">'
    )
    seconds = span.end - span.start
    title = f"KWatt: every query of the dashboard, {seconds:.0f} s of the demo's city on fake NPUs"
    lines = [
        head,
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
        f'<text x="10" y="20" font-size="15">{title}</text>',
    ]
    for panel in panels:
        lines += _panel(panel, source, span)
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: dict[str, Any], source: Prometheus, span: Span) -> Iterator[str]:
    at = panel["gridPos"]
    box = Box(
        at["x"] * UNIT_X + 3,
        HEAD + at["y"] * UNIT_Y + 3,
        at["w"] * UNIT_X - 6,
        at["h"] * UNIT_Y - 6,
    )
    if panel["type"] == "row":
        place = f'x="{box.x + 6}" y="{box.y + 15}" font-size="14" font-weight="bold"'
        yield f"<text {place}>{panel['title']}</text>"
        return
    yield _rect(box, "white", ' stroke="#d0d0d0"')
    yield f'<text x="{box.x + 8}" y="{box.y + 15}" font-weight="bold">{escape(panel["title"])}</text>'
    unit = panel["fieldConfig"]["defaults"]["unit"]
    series = list(_answers(panel, source, span))
    kinds = {"timeseries": _chart, "stat": _stat, "bargauge": _bars, "table": _bars}
    yield from kinds[panel["type"]](series, unit, box)


def _answers(panel: dict[str, Any], source: Prometheus, span: Span) -> Iterator[Series]:
    scale = 100 if panel["fieldConfig"]["defaults"]["unit"] == "percentunit" else 1
    for target in panel["targets"]:
        for one in source.query_range(filled(target["expr"]), span.start, span.end, 1):
            told = ((float(at), scale * float(value)) for at, value in one["values"])
            points = [(at, value) for at, value in told if math.isfinite(value)]
            if points:
                yield Series(_named(target["legendFormat"], one["metric"]), points)


def _named(template: str, labels: dict[str, str]) -> str:
    named = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: labels.get(m[1], ""), template)
    return named or " ".join(value for name, value in sorted(labels.items()))


def _rect(box: Box, fill: str, more: str = "") -> str:
    where = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    return f'<rect {where} fill="{fill}"{more}/>'


def _chart(series: Sequence[Series], unit: str, box: Box) -> Iterator[str]:
    legend = list(_legend(series, box))
    rows = legend[-1][1] if legend else 0
    area = Box(box.x + 52, box.y + 26, box.width - 60, box.height - 44 - 14 * rows)
    low, high = _range([value for one in series for _, value in one.points])
    for value in _ticks(low, high):
        y = area.y + area.height * (1 - (value - low) / (high - low))
        yield f'<line x1="{area.x}" x2="{area.x + area.width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>'
        yield f'<text x="{area.x - 5}" y="{y + 4:.1f}" text-anchor="end">{_figure(value, unit)}</text>'
    begin = min((one.points[0][0] for one in series), default=0.0)
    end = max((one.points[-1][0] for one in series), default=1.0)
    for number, one in enumerate(series):
        places = _path(
            [
                (
                    area.x + (at - begin) / ((end - begin) or 1) * area.width,
                    area.y + area.height * (1 - (value - low) / (high - low)),
                )
                for at, value in one.points
            ]
        )
        colour = _colour(number, one.name)
        yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    yield from (text for text, _ in legend)


def _path(places: Sequence[tuple[float, float]]) -> str:
    """Return the points of a line; of a level stretch its ends are enough."""
    rounded = [(f"{x:.1f}", f"{y:.1f}") for x, y in places]
    last = len(rounded) - 1
    return " ".join(
        f"{x},{y}"
        for number, (x, y) in enumerate(rounded)
        if number in (0, last) or not (rounded[number - 1][1] == y == rounded[number + 1][1])
    )


def _legend(series: Sequence[Series], box: Box) -> Iterator[tuple[str, int]]:
    """Yield entries and the number of rows so far, left to right and upwards."""
    x, row = box.x + 10, 1
    for number, one in enumerate(series):
        wide = 24 + 6.1 * len(one.name)
        if x + wide > box.x + box.width and x > box.x + 10:
            x, row = box.x + 10, row + 1
        y = box.y + box.height - 8 - 14 * (row - 1)
        colour = _colour(number, one.name)
        yield (
            f'<line x1="{x}" x2="{x + 12}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="3"/>'
            f'<text x="{x + 16}" y="{y}">{escape(one.name)}</text>',
            row,
        )
        x += wide


def _colour(number: int, name: str) -> str:
    """Return the colour of a line; caps are red as in the dashboard."""
    return "#d00000" if name.endswith(" cap") else COLOURS[number % len(COLOURS)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return bounds that begin at 0 and end at a round figure."""
    low, high = min([*values, 0.0]), max(values, default=1.0)
    step = _step(high - low if high > low else 1.0)
    return step * math.floor(low / step), step * max(math.ceil(high / step), 1)


def _ticks(low: float, high: float) -> list[float]:
    step = _step(high - low)
    return [low + step * number for number in range(round((high - low) / step) + 1)]


def _step(span: float) -> float:
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(power * factor for factor in (5, 2, 1) if span / (power * factor) >= 3)


def _stat(series: Sequence[Series], unit: str, box: Box) -> Iterator[str]:
    wide = box.width / max(len(series), 1)
    for number, one in enumerate(series):
        x = box.x + wide * (number + 0.5)
        value = _figure(one.points[-1][1], unit)
        yield f'<text x="{x:.1f}" y="{box.y + 58}" font-size="22" text-anchor="middle">{value}</text>'
        yield f'<text x="{x:.1f}" y="{box.y + 80}" text-anchor="middle">{escape(one.name)}</text>'


def _bars(series: Sequence[Series], unit: str, box: Box) -> Iterator[str]:
    most = max((one.points[-1][1] for one in series), default=1) or 1
    for number, one in enumerate(series):
        y, value = box.y + 34 + 34 * number, one.points[-1][1]
        text = f"{one.name}: {_figure(value, unit)}"
        yield f'<text x="{box.x + 10}" y="{y}">{escape(text)}</text>'
        bar = Box(box.x + 10, y + 5, (box.width - 20) * max(value, 0) / most, 10)
        yield _rect(bar, COLOURS[number % len(COLOURS)])


def _figure(value: float, unit: str) -> str:
    for scale, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if unit in ("joule", "watt") and abs(value) >= scale:
            return f"{value / scale:.3g}{prefix}{_UNITS[unit].strip()}"
    return (
        f"{value:.3g}{_UNITS.get(unit, '')}"
        if abs(value) < 1000
        else f"{value:,.0f}{_UNITS.get(unit, '')}"
    )


def main() -> None:
    """Let the city live under load for a while, one exporter fail in it, and draw what Prometheus saw."""
    with tempfile.TemporaryDirectory() as folder, local.cluster("picture") as running:
        kubectl = Kubectl(running)
        kubectl("apply", "--server-side", "-f", str(REPO / "crds"))
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        with city(running, Path(folder)) as (source, fakes):
            began = time.time()
            time.sleep(_SHOWN_SECONDS * 2 / 3)  # what is drawn has to pass first
            fakes.switch("a1-rngd-1", watts="NaN")
            time.sleep(_SHOWN_SECONDS / 3)
            picture = draw(source, Span(began, time.time()))
    Path(sys.argv[1]).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
