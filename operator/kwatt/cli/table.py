"""The report as a table to read: services, budgets as bars, reasons, what is wrong, totals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from kwatt.cli.bars import bar_width, legend, segments
from kwatt.cli.document import rfc3339
from kwatt.cli.report import Group, Report, ServiceReport, State, per_joule
from kwatt.cli.text import Colour, Column, Segment, Style, bar, columns, figure, wrapped
from kwatt.model.plan import Bound, BudgetUse, Plan, Unplaced
from kwatt.model.snapshot import Budget
from kwatt.observation.values import Invalid, Notice, NoticeReason
from kwatt.units import Power, Throughput

_HEADS = (
    Column("SERVICE", keep_end=True),
    Column("CLASS"),
    Column("REPLICAS", right=True, rank=1),
    Column("POINT", rank=3),
    Column("RATE", right=True),
    Column("WATTS (RESERVED)", right=True),
    Column("PER JOULE", right=True, rank=2),
    Column("STATE"),
)
_STATES = {
    State.PLACED: Colour.GOOD,
    State.PARTLY: Colour.WARNING,
    State.NOT_PLACED: Colour.BAD,
    State.HELD: Colour.WARNING,
    State.INVALID: Colour.BAD,
}
_ASSUMED = "*"


def table(report: Report, style: Style) -> str:
    """Render `report` for people."""
    sections = (
        _services(report, style),
        _budgets(report, style),
        _reasons(report, style),
        _problems(report, style),
        list(_totals(report, style)),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _services(report: Report, style: Style) -> list[str]:
    services = list(report.services())
    if not services:
        return ["There is no InferenceService."]
    rows = [row for service in services for row in _service_rows(service, style)]
    lines = columns(_HEADS, rows, style)
    if any(group.assumed for service in services for group in service.groups):
        note = f"{_ASSUMED} rests on an assumption, not on a measurement"
        lines.append(style.paint(note, Colour.FAINT))
    return lines


def _service_rows(service: ServiceReport, style: Style) -> Iterator[list[str]]:
    state = style.paint(service.state.value, _STATES[service.state])
    if not service.groups:
        dash = style.sign("–", "-")
        rates = _rates(service) if service.wanted else dash
        yield [str(service.key), dash, dash, dash, rates, dash, dash, state]
    for number, group in enumerate(service.groups):
        first = number == 0
        yield [
            str(service.key) if first else "",
            group.npu_class,
            f"{group.replicas} {style.sign('×', 'x')} {group.npus}",
            group.operating_point,
            _rates(service) if first else "",
            _group_watts(group),
            _efficiency(group),
            state if first else "",
        ]


def _rates(service: ServiceReport) -> str:
    """Return the rate served, and where that is less the rate wanted behind it."""
    unit = f"{service.unit or 'units'}/s"
    if service.wanted is None or service.served == service.wanted:
        return f"{_rate(service.served)} {unit}"
    return f"{_rate(service.served)} / {_rate(service.wanted)} {unit}"


def _rate(rate: Throughput) -> str:
    return figure(rate.micros, 10**6)


def _group_watts(group: Group) -> str:
    star = _ASSUMED if group.assumed else ""
    return f"{_watts(group.planned)}{star} ({_watts(group.reserved)})"


def _efficiency(group: Group) -> str:
    ratio = per_joule((group,))
    if ratio is None:
        return ""
    star = _ASSUMED if group.assumed else ""
    return f"{figure(ratio.numerator, ratio.denominator)}{star}"


def _watts(power: Power) -> str:
    return figure(power.milliwatts, 1000)


def _budgets(report: Report, style: Style) -> list[str]:
    if not report.plan.budgets:
        return []
    spans = {budget.name: budget for budget in report.snapshot.budgets}
    heads = (
        Column("BUDGET"),
        Column(""),
        Column("USED / CAP", right=True),
        Column("HEADROOM", right=True),
        Column("DRAW", right=True, rank=1),
        Column("NODES", right=True, rank=2),
        Column("WINDOW", rank=3),
    )
    rows = [_budget_row(use, spans.get(use.name), style) for use in report.plan.budgets]
    return [*columns(heads, rows, style), legend(style), *_worths(report.plan, style)]


def _worths(plan: Plan, style: Style) -> Iterator[str]:
    """Yield what more watts of each budget would do."""
    for use in plan.budgets:
        if use.worth is not None:
            yield from wrapped(f"{use.name}: {use.worth.message}", "", style)


def _budget_row(use: BudgetUse, budget: Budget | None, style: Style) -> list[str]:
    drawn = bar(_segments(use), use.cap.milliwatts, bar_width(style), style)
    over = use.headroom.milliwatts < 0
    headroom = f"over by {_watts(use.headroom * -1)} W" if over else f"{_watts(use.headroom)} W"
    return [
        use.name,
        style.paint(drawn, Colour.BAD if over else None),
        f"{_watts(use.cap - use.headroom)} / {_watts(use.cap)} W",
        style.paint(headroom, Colour.BAD if over else None),
        f"{_watts(use.draw)} W",
        str(use.nodes),
        (budget.window or "") if budget else "",
    ]


def _segments(use: BudgetUse) -> tuple[Segment, ...]:
    return segments(
        use.host.milliwatts, use.idle.milliwatts, use.foreign.milliwatts, use.reserved.milliwatts
    )


def _reasons(report: Report, style: Style) -> list[str]:
    if not report.plan.unplaced:
        return []
    units = {service.key: service.unit for service in report.services()}
    lines = [style.paint("NOT SERVED", Colour.HEADING)]
    for unplaced in report.plan.unplaced:
        lines += _reason_lines(unplaced, units.get(unplaced.service, ""), style)
    return lines


def _reason_lines(unplaced: Unplaced, unit: str, style: Style) -> Iterator[str]:
    short = f"{_rate(unplaced.shortfall)} {unit or 'units'}/s short"
    yield f"{style.paint(str(unplaced.service), Colour.BAD)}: {short}"
    for rejection in unplaced.rejections:
        subject = f"{rejection.npu_class}: " if rejection.npu_class else ""
        yield from wrapped(f"{subject}{rejection.reason}, {rejection.message}", "  ", style)
    for relaxation in unplaced.nearest:
        yield from wrapped(f"{style.sign('→', '->')} {relaxation.change}", "  ", style)


def _problems(report: Report, style: Style) -> list[str]:
    """List what is wrong or worth knowing, each kind under its heading."""
    held = ((str(one.key), one.held) for one in report.snapshot.services if one.held)
    sections = {
        "HELD AS THEY ARE": [f"{name}: {why}" for name, why in held],
        "INVALID": [_invalid_line(one) for one in report.invalid],
        "NOTES": _notes(report.notices),
    }
    lines: list[str] = []
    for heading, sentences in sections.items():
        lines += [style.paint(heading, Colour.HEADING)] if sentences else []
        lines += (line for text in sentences for line in wrapped(text, "  ", style))
    return lines


def _notes(notices: Sequence[Notice]) -> list[str]:
    """Return a sentence per notice; incomplete classes, of which a catalogue has many, share one."""
    incomplete = [one for one in notices if one.reason is NoticeReason.CLASS_NOT_SCHEDULABLE]
    sentences = [one.message for one in notices if one not in incomplete]
    if len(incomplete) < 2:
        return sentences + [one.message for one in incomplete]
    names = ", ".join(one.name for one in incomplete)
    return [
        *sentences,
        f"{len(incomplete)} NPUClasses are not schedulable until their figures are filled in "
        f"(kubectl describe npuclass NAME says which): {names}",
    ]


def _invalid_line(one: Invalid) -> str:
    name = f"{one.namespace}/{one.name}" if one.namespace else one.name
    return f"{one.kind} {name}: {one.field} {one.message}"


def _totals(report: Report, style: Style) -> Iterator[str]:
    totals, dot = report.plan.totals, f" {style.sign('·', '-')} "
    partly = f", {totals.partly} partly" if totals.partly else ""
    watts = (
        f"draw {_watts(totals.draw)} W",
        f"planned {_watts(totals.planned)} W (reserved {_watts(totals.reserved)} W)",
        f"idle {_watts(totals.idle)} W",
        f"foreign {_watts(totals.foreign)} W",
    )
    placed = f"{totals.placed} of {totals.services} services placed{partly}"
    yield from wrapped(dot.join([placed, *watts]), "", style)
    moves = f"{totals.starts} starts, {totals.moves} moves, {totals.evictions} evictions"
    parts = [f"{totals.replicas} replicas: {moves}", *_bound(report.plan)]
    yield from wrapped(dot.join([*parts, f"at {rfc3339(report.snapshot.now)}"]), "", style)


def _bound(plan: Plan) -> Iterable[str]:
    if plan.bound is not None:
        yield f"draw within {_percent(plan.bound)} % of a proven bound"


def _percent(bound: Bound) -> str:
    """Return the gap rounded up to hundredths: what is said must hold."""
    return f"{ceil(100 * bound.gap_percent) / 100:.2f}"
