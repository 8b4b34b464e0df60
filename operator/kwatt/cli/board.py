"""`kwatt top` as text: budgets as bars against their caps, services with rate and watts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from kwatt.cli.bars import bar_width, legend, segments
from kwatt.cli.statuses import Fields, age, amount, joules, key_of, milli
from kwatt.cli.text import Colour, Column, Style, bar, columns, wrapped

_BUDGETS = (
    Column("BUDGET"),
    Column(""),
    Column("COUNTED / CAP", right=True),
    Column("LEFT", right=True, rank=1),
    Column("MEASURED", right=True),
    Column("ENERGY", right=True, rank=3),
    Column("AGE", right=True, rank=2),
)
_SERVICES = (
    Column("SERVICE", keep_end=True),
    Column("CLASS", rank=5),
    Column("READY", right=True, rank=2),
    Column("RATE", right=True),
    Column("WATTS", right=True),
    Column("PER JOULE", right=True),
    Column("ENERGY", right=True, rank=4),
    Column("AGE", right=True, rank=3),
    Column("STATE"),
)
_NOTE = "rate, watts and per joule: measured / planned"


@dataclass(frozen=True, slots=True)
class Board:
    """What was read. `notes` say what may not be read; `scope` is where services were looked for,
    `everywhere` whether that is in all namespaces, so that names need theirs. `alarm` comes first.
    """

    budgets: Sequence[Fields]
    services: Sequence[Fields]
    scope: str
    notes: tuple[str, ...] = ()
    everywhere: bool = True
    alarm: str = ""


def board_text(board: Board, now: datetime, style: Style) -> str:
    """Render the board as of `now`."""
    alarm = [style.paint(line, Colour.BAD) for line in wrapped(board.alarm, "", style)]
    sections = (
        alarm if board.alarm else [],
        _budgets(board, now, style),
        _services(board, now, style),
        _notes(board, style),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _budgets(board: Board, now: datetime, style: Style) -> list[str]:
    if not board.budgets:
        return [] if board.notes else ["There is no PowerBudget: no cap holds."]
    rows = [_budget_row(one, now, style) for one in _by_name(board.budgets)]
    return [*columns(_BUDGETS, rows, style), legend(style)]


def _by_name(objects: Sequence[Fields]) -> list[Fields]:
    return sorted(objects, key=key_of)


def _budget_row(budget: Fields, now: datetime, style: Style) -> list[str]:
    status = budget.part("status")
    cap, left = status.number("capWatts"), status.number("headroomWatts")
    counted = cap - left if cap is not None and left is not None else None
    colour = _budget_colour(status, cap, left)
    parts = (status.number(f"{name}Watts") for name in ("host", "idle", "foreign", "reserved"))
    drawn = bar(segments(*map(milli, parts)), milli(cap), bar_width(style) * 4 // 5, style)
    return [
        budget.part("metadata").text("name"),
        style.paint(drawn, colour),
        f"{amount(counted, style)} / {amount(cap, style)} W",
        style.paint(_left(left, style), colour),
        _with_unit(status.number("measuredWatts"), "W", style),
        joules(status.part("energy").number("joules"), style),
        age(status.part("energy").time("at"), now) or style.sign("–", "-"),
    ]


def _budget_colour(status: Fields, cap: Fraction | None, left: Fraction | None) -> Colour | None:
    measured = status.number("measuredWatts")
    if left is not None and left < 0:
        return Colour.BAD
    if cap is not None and measured is not None and measured > cap:
        return Colour.BAD
    return Colour.WARNING if cap and left is not None and left * 20 < cap else None


def _left(left: Fraction | None, style: Style) -> str:
    if left is not None and left < 0:
        return f"over by {amount(-left, style)} W"
    return _with_unit(left, "W", style)


def _with_unit(value: Fraction | None, unit: str, style: Style) -> str:
    return amount(value, style) + (f" {unit}" if value is not None else "")


def _services(board: Board, now: datetime, style: Style) -> list[str]:
    if not board.services:
        return [f"There is no InferenceService {board.scope}."]
    rows = [_service_row(one, _name(one, board), now, style) for one in _by_name(board.services)]
    return [*columns(_SERVICES, rows, style), style.paint(_NOTE, Colour.FAINT)]


def _name(service: Fields, board: Board) -> str:
    key = key_of(service)
    return str(key) if board.everywhere else key.name


def _service_row(service: Fields, name: str, now: datetime, style: Style) -> list[str]:
    status = service.part("status")
    measured, planned, summary = (status.part(name) for name in ("measured", "planned", "summary"))
    fresh = measured if _is_fresh(status) else Fields({})

    def pair(name: str) -> str:
        return f"{amount(fresh.number(name), style)} / {amount(planned.number(name), style)}"

    return [
        name,
        summary.text("class") or style.sign("–", "-"),
        summary.text("replicas") or style.sign("–", "-"),
        f"{pair('perSecond')} {status.text('unit') or 'units'}/s",
        f"{pair('watts')} W",
        pair("unitsPerJoule"),
        joules(status.part("energy").number("joules"), style),
        age(measured.time("at"), now) or style.sign("–", "-"),
        _state(status, style),
    ]


def _is_fresh(status: Fields) -> bool:
    """Tell whether the last figures hold now; those of a lost measurement are of another time."""
    return status.condition("Measured").text("status") != "False"


def _state(status: Fields, style: Style) -> str:
    if not status:
        return style.paint("no status yet", Colour.WARNING)
    if reason := status.part("summary").text("reason"):
        return style.paint(reason, Colour.BAD)
    if not _is_fresh(status):
        reason = status.condition("Measured").text("reason")
        return style.paint(f"ready, not measured: {reason}", Colour.WARNING)
    return style.paint("ready", Colour.GOOD)


def _notes(board: Board, style: Style) -> list[str]:
    notes = list(board.notes)
    if board.services and not any(one.part("status") for one in board.services):
        notes.append("No InferenceService has a status: is the operator running?")
    return [line for note in notes for line in wrapped(note, "", style)]
