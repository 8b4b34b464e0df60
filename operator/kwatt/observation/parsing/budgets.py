"""PowerBudgets and their windows."""

from __future__ import annotations

import re
from datetime import time

from kwatt.api.v1alpha1.power_budget import (
    Day,
    EmptyNodes,
    Enforcement,
    Meter,
    PowerBudgetSpec,
)
from kwatt.api.v1alpha1.power_budget import Window as WindowSpec
from kwatt.errors import InvalidInput
from kwatt.observation.parsing.catalogue import selector_of
from kwatt.observation.parsing.reading import (
    Body,
    Identity,
    read_identity,
    read_integer,
    read_items,
    read_mapping,
)
from kwatt.observation.parsing.remembered import remembered_withheld
from kwatt.observation.parsing.validation import validated
from kwatt.observation.values import Invalid, MeterSource, ParsedBudget, Window
from kwatt.units import Power

_DAYS = {day: index for index, day in enumerate(Day)}
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_power_budget(body: Body) -> ParsedBudget:
    """Parse a PowerBudget. Raises InvalidInput.

    Where only the windows are wrong (a time zone that does not exist), the budget goes on with the least of
    all its caps, so that a slip never lifts a cap; `problem` says what to mend.
    """
    identity = read_identity(body, "PowerBudget", namespaced=False)
    try:
        spec = validated(PowerBudgetSpec, body)
        windows = tuple(_window(one, f"spec.windows[{i}].") for i, one in enumerate(spec.windows))
    except InvalidInput as error:
        if not error.field.startswith("spec.windows"):
            raise
        return _without_windows(identity, body, error)
    cap = Power.parse(spec.watts, "spec.watts")
    return _budget(identity, body, spec, cap, windows)


def _budget(
    identity: Identity,
    body: Body,
    spec: PowerBudgetSpec,
    cap: Power,
    windows: tuple[Window, ...] = (),
    problem: Invalid | None = None,
) -> ParsedBudget:
    return ParsedBudget(
        uid=identity.uid,
        name=identity.name,
        selector=selector_of(spec.node_selector),
        cap=cap,
        host=Power.parse(spec.host_watts, "spec.hostWatts"),
        empty_off=spec.empty_nodes is EmptyNodes.POWERED_OFF,
        windows=tuple(sorted(windows, key=lambda window: window.name)),
        shed_seconds=spec.shed_seconds,
        problem=problem,
        generation=_generation(body),
        moves_horizon=spec.moves.horizon_seconds if spec.moves else None,
        meter=_meter(spec.meter) if spec.meter else None,
        enforced_after=_enforced_after(spec),
        calm_after=spec.meter.calm_seconds if spec.meter else 0,
        withheld=remembered_withheld(body),
    )


def _meter(meter: Meter) -> MeterSource:
    server = meter.prometheus
    return MeterSource(server.url, server.query) if server else MeterSource()


def _enforced_after(spec: PowerBudgetSpec) -> int | None:
    if spec.enforcement is Enforcement.PLANNED or spec.meter is None:
        return None
    return spec.meter.sustained_seconds


def _generation(body: Body) -> int:
    return read_integer(read_mapping(body, "metadata"), "generation", "metadata.")


def _without_windows(identity: Identity, body: Body, error: InvalidInput) -> ParsedBudget:
    written = read_mapping(body, "spec")
    rest = {key: value for key, value in written.items() if key != "windows"}
    spec = validated(PowerBudgetSpec, {**body, "spec": rest})
    caps = [Power.parse(spec.watts, "spec.watts"), *_readable_caps(written)]
    problem = Invalid(
        kind="PowerBudget",
        namespace="",
        name=identity.name,
        field=error.field,
        message=f"{error.message}; until then the least of its caps holds, {min(caps)}",
        uid=identity.uid,
        generation=_generation(body),
    )
    return _budget(identity, body, spec, min(caps), problem=problem)


def _readable_caps(spec: Body) -> list[Power]:
    if not isinstance(spec.get("windows"), list):
        return []
    caps = []
    for window in read_items(spec, "windows", "spec."):
        try:
            caps.append(Power.parse(window.get("watts"), "watts"))
        except InvalidInput:
            continue
    return [cap for cap in caps if cap.milliwatts >= 0]


def _window(window: WindowSpec, path: str) -> Window:
    return Window(
        name=window.name,
        zone=window.time_zone,
        days=tuple(sorted({_DAYS[day] for day in window.days})),
        start=_time_of_day(window.from_, path + "from"),
        end=None if window.to == "24:00" else _time_of_day(window.to, path + "to"),
        cap=Power.parse(window.watts, path + "watts"),
    )


def _time_of_day(text: str, path: str) -> time:
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidInput(path, f"{text[:20]!r} is not a time of day; write HH:MM such as 17:00")
    return time(int(match[1]), int(match[2]))
