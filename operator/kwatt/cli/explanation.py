"""`kwatt explain` as text: one service in words, from its status and those of the budgets above it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from kwatt.cli.statuses import Fields, age, amount, joules, key_of
from kwatt.cli.text import Colour, Style, wrapped
from kwatt.model.plan import Unplaced
from kwatt.units import plain

_GOOD = {"Exceeded": "False"}  # every other condition is good when it is True


@dataclass(frozen=True, slots=True)
class Subject:
    """A service with what is above it. `budgets` is None where that can't be told, `untold` says why.

    `replanned` is what the planner says now: "" where it was not asked, an Unplaced where it falls short.
    """

    service: Fields
    budgets: Sequence[Fields] | None = ()
    untold: str = ""
    replanned: Unplaced | str = ""


def explain(subject: Subject, now: datetime, style: Style) -> str:
    """Explain one service as of `now`."""
    status = subject.service.part("status")
    if not status:
        return f"{key_of(subject.service)} has no status yet: is the operator running?\n"
    sections = {
        "": _headline(subject.service, status),
        "PLACEMENT": _placement(status, style),
        "NOT SERVED": _unserved(status, style),
        "IF PLANNED NOW": _replanned(subject.replanned, status),
        "ENERGY": _energy(status, now, style),
        "BUDGETS ABOVE IT": _budgets(subject, now, style),
        "CONDITIONS": _conditions(status, now),
    }
    blocks = [_block(heading, sentences, style) for heading, sentences in sections.items()]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _block(heading: str, sentences: Iterator[str], style: Style) -> str:
    indent = "  " if heading else ""
    lines = [line for sentence in sentences for line in wrapped(sentence, indent, style)]
    if not lines:
        return ""
    return "\n".join([style.paint(heading, Colour.HEADING), *lines] if heading else lines)


def _unit(status: Fields) -> str:
    return status.text("unit") or "units"


def _headline(service: Fields, status: Fields) -> Iterator[str]:
    rate = status.part("summary").text("rate").partition("/")
    ready = status.condition("Ready")
    state = "is ready" if ready.text("status") == "True" else "is not ready"
    why = "" if ready.text("status") == "True" else f" ({ready.text('reason') or 'unknown'})"
    yield (
        f"{key_of(service)} runs the model {service.part('spec').text('model')} and {state}{why}: "
        f"{rate[0] or '0'} of {rate[2] or '?'} {_unit(status)}/s are planned."
    )
    generation = service.part("metadata").number("generation")
    seen = status.number("observedGeneration")
    if generation is not None and seen is not None and seen < generation:
        yield "Its spec was changed since: the operator has not looked at it yet."


def _placement(status: Fields, style: Style) -> Iterator[str]:
    found = False
    for one in status.parts("placements"):
        found = True
        npus = one.text("npus")
        yield (
            f"{one.text('replicas')} on {one.text('npuClass')}, {npus} NPU{'s' if npus != '1' else ''} "
            f"each, at {one.text('operatingPoint')}: {amount(one.number('perSecond'), style)} "
            f"{_unit(status)}/s, {amount(one.number('watts'), style)} W; "
            f"{one.text('readyReplicas')} of {one.text('replicas')} are ready{_basis(one)}."
        )
    if not found:
        yield "It has no replica."


def _basis(one: Fields) -> str:
    basis = one.text("basis")
    return "" if basis in ("", "Measured") else f" (figures: {basis})"


def _unserved(status: Fields, style: Style) -> Iterator[str]:
    unplaced = status.part("unplaced")
    if not unplaced:
        return
    yield f"{amount(unplaced.number('shortfallPerSecond'), style)} {_unit(status)}/s are not served."
    for one in unplaced.parts("rejections"):
        subject = f"{one.text('npuClass')}: " if one.text("npuClass") else ""
        yield f"{subject}{one.text('reason')}, {one.text('message')}."
    nearest = unplaced.texts("nearest")
    for number, change in enumerate(nearest):
        yield f"{'It would fit with' if number == 0 else 'or with'} {change}."


def _replanned(replanned: Unplaced | str, status: Fields) -> Iterator[str]:
    if isinstance(replanned, str):
        yield from [replanned] if replanned else []
        return
    yield f"{plain(replanned.shortfall.micros, 10**6)} {_unit(status)}/s would not be served."
    for rejection in replanned.rejections:
        subject = f"{rejection.npu_class}: " if rejection.npu_class else ""
        yield f"{subject}{rejection.reason}, {rejection.message}."
    for relaxation in replanned.nearest:
        yield f"It would fit with {relaxation.change}."


def _energy(status: Fields, now: datetime, style: Style) -> Iterator[str]:
    planned, measured = status.part("planned"), status.part("measured")
    unit = _unit(status)
    if planned:
        yield (
            f"Planned: {amount(planned.number('watts'), style)} W for "
            f"{amount(planned.number('perSecond'), style)} {unit}/s, "
            f"{amount(planned.number('unitsPerJoule'), style)} {unit} per joule; at most "
            f"{amount(planned.number('reservedWatts'), style)} W{_scope(planned)}."
        )
    yield from _measured(status, measured, now, style)
    yield from _used(status.part("energy"), style)
    compared = status.part("comparedWith")
    if compared:
        saved = compared.number("savedPercent")
        word = "less" if saved is None or saved >= 0 else "more"
        yield (
            f"Against {compared.text('device')} ({amount(compared.number('unitsPerJoule'), style)} "
            f"{unit} per joule) a unit takes "
            f"{amount(None if saved is None else abs(saved), style)} % {word} energy."
        )


def _measured(status: Fields, measured: Fields, now: datetime, style: Style) -> Iterator[str]:
    condition = status.condition("Measured")
    if not measured:
        yield f"Not measured: {condition.text('message') or 'no condition says why'}."
        return
    unit, ago = _unit(status), age(measured.time("at"), now)
    window = f" over {measured.text('window')}" if measured.text("window") else ""
    estimated = ", partly shared out by plan" if measured.true("estimated") else ""
    yield (
        f"Measured{f' {ago} ago' if ago else ''}{window}: "
        f"{amount(measured.number('watts'), style)} W, "
        f"{amount(measured.number('perSecond'), style)} {unit}/s, "
        f"{amount(measured.number('unitsPerJoule'), style)} {unit} per joule"
        f"{_scope(measured)}{estimated}."
    )
    if condition.text("status") == "False":
        yield f"That is the last that was measured: {condition.text('message')}."


def _scope(part: Fields) -> str:
    return f" (scope {part.text('scope')})" if part.text("scope") else ""


def _used(energy: Fields, style: Style) -> Iterator[str]:
    if not energy:
        return
    since = energy.time("since")
    missing = energy.number("unmeasuredSeconds")
    yield (
        f"Used {joules(energy.number('joules'), style)}"
        f"{f' since {since:%Y-%m-%d %H:%M} UTC' if since else ''}{_scope(energy)}"
        + (f"; {missing} s of that were not measured and are not in it." if missing else ".")
    )


def _budgets(subject: Subject, now: datetime, style: Style) -> Iterator[str]:
    if subject.budgets is None:
        yield f"Which budgets are above it can't be told: {subject.untold}."
        return
    for budget in subject.budgets:
        status = budget.part("status")
        cap, left = status.number("capWatts"), status.number("headroomWatts")
        counted = cap - left if cap is not None and left is not None else None
        measured = status.number("measuredWatts")
        ago = age(status.part("energy").time("at"), now)
        shown = f", {amount(measured, style)} W measured" if measured is not None else ""
        yield (
            f"{budget.part('metadata').text('name')}: {amount(counted, style)} of "
            f"{amount(cap, style)} W are counted, {amount(left, style)} W are left"
            f"{shown}{f' {ago} ago' if measured is not None and ago else ''}."
        )
    if not subject.budgets:
        yield "None: no PowerBudget matches a node that it runs on or may run on."


def _conditions(status: Fields, now: datetime) -> Iterator[str]:
    for one in status.parts("conditions"):
        if one.text("status") != _GOOD.get(one.text("type"), "True"):
            since = age(one.time("lastTransitionTime"), now)
            yield (
                f"{one.text('type')} is {one.text('status')}{f' for {since}' if since else ''}: "
                f"{one.text('reason')}, {one.text('message')}."
            )
