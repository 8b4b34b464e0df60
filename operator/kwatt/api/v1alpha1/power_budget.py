"""PowerBudget: a cap in watts over the nodes that a selector matches."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from kwatt.api.v1alpha1.fields import Decimal, Keyed, Label, Part, Pattern, Rule, Watts, ruled
from kwatt.api.v1alpha1.measuring import EnergyUsed
from kwatt.api.v1alpha1.meta import Conditions, NodeSelector, ObjectMeta, ObservedGeneration


class EmptyNodes(StrEnum):
    """What a node without replicas draws."""

    IDLE = "Idle"
    POWERED_OFF = "PoweredOff"


class Day(StrEnum):
    """A day of the week."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SPAN = Rule(
    "self.from != self.to",
    "from and to are equal, so the window is empty; for a whole day write from 00:00 to 24:00",
)


def _known_zone(name: str) -> str:
    """Refuse a name that the time zone database does not have; CEL can't see that."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"there is no time zone {name!r}; use a name of the IANA database such as Asia/Seoul"
        ) from error
    return name


TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_known_zone)]
Days = Annotated[tuple[Day, ...], Keyed()]
Start = Annotated[
    str,
    Field(max_length=5),
    Pattern(_CLOCK, "must be a time of day from 00:00 to 23:59, written HH:MM"),
]
End = Annotated[
    str,
    Field(max_length=5),
    Pattern(f"{_CLOCK}|24:00", "must be a time of day from 00:00 to 24:00, written HH:MM"),
]


class Window(Part):
    """A span of the day with another cap. One that ends before it starts runs over midnight."""

    model_config = ruled(_SPAN)

    name: Label = Field(description="Name of the window.")
    time_zone: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_known_zone)] = (
        Field(description="Time zone by its IANA name, such as Asia/Seoul.")
    )
    days: Days = Field(
        default=tuple(Day),
        min_length=1,
        max_length=7,
        description="Days (Mon to Sun) on which the window starts; every day when absent.",
    )
    from_: Start = Field(alias="from", description="Start, HH:MM in the time zone, inclusive.")
    to: End = Field(
        description="End, HH:MM in the time zone, exclusive, 24:00 for midnight; before `from`: "
        "on the next day."
    )
    watts: Watts = Field(description="Cap in watts while the window is open.")

    @model_validator(mode="after")
    def _spans(self) -> Self:
        _SPAN.require(self.from_ != self.to)
        return self


class Moves(Part):
    """Running replicas move where the watts saved over the horizon pay for the starts."""

    horizon_seconds: Annotated[int, Field(ge=60, le=31_536_000)] = Field(
        description="Over how many seconds, at most a year, a saving must pay for the restarts.",
    )


class PowerBudgetSpec(Part):
    """A cap over nodes; budgets may nest and overlap, all of them hold."""

    node_selector: NodeSelector = Field(description="Nodes under the cap, by their labels.")
    watts: Watts = Field(description="Cap in watts outside all windows.")
    host_watts: Watts = Field(
        default=0,
        description="Watts of hosts, fans and switches, taken off before anything is placed.",
    )
    empty_nodes: EmptyNodes = Field(
        default=EmptyNodes.IDLE,
        description="What a node without replicas draws: Idle (its NPUs' idle watts) or PoweredOff "
        "(nothing).",
    )
    windows: Annotated[tuple[Window, ...], Keyed(("name",))] = Field(
        default=(),
        max_length=32,
        description="Spans of time with another cap; the least cap of those open holds.",
    )
    shed_seconds: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        default=None,
        description="How many seconds before a lower cap comes replicas are taken off, so that it holds "
        "from its first second. Absent: the longest terminationGracePeriodSeconds of any service, at most "
        "600, and 15 more.",
    )
    moves: Moves | None = Field(
        default=None,
        description="Lets replicas that run move to where they draw less; without it they stay. A "
        "node under several budgets goes by the least horizon.",
    )


class PowerBudgetStatus(Part):
    """What the budget counts: host + idle + reserved + foreign <= cap; what is left is headroom."""

    observed_generation: ObservedGeneration = None
    conditions: Conditions = ()
    window: Label | None = Field(default=None, description="The window whose cap is planned with.")
    cap_watts: Decimal | None = Field(
        default=None,
        description="The cap that is planned with, in watts: the one in force, or a lower one that is "
        "about to come.",
    )
    host_watts: Decimal | None = Field(default=None, description="Watts taken off for the hosts.")
    idle_watts: Decimal | None = Field(
        default=None, description="Idle watts of the NPUs that no pod holds."
    )
    reserved_watts: Decimal | None = Field(
        default=None, description="The most watts that the placed replicas can draw."
    )
    foreign_watts: Decimal | None = Field(
        default=None, description="Watts counted for NPUs held by pods that KWatt did not place."
    )
    headroom_watts: Decimal | None = Field(
        default=None, description="Watts that are left under the cap; negative when it is exceeded."
    )
    planned_watts: Decimal | None = Field(
        default=None, description="Watts that the placed replicas draw at their share of the rate."
    )
    draw_watts: Decimal | None = Field(
        default=None, description="Watts that a meter should show: host, idle, planned and foreign."
    )
    measured_watts: Decimal | None = Field(
        default=None,
        description="Watts that were measured lately; absent where they are not known.",
    )
    energy: EnergyUsed | None = Field(
        default=None, description="Energy used under the budget, in joules."
    )
    nodes: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Number of nodes under the cap."
    )


class PowerBudget(Part):
    """A cap in watts over the nodes that a selector matches, with time windows."""

    api_version: Literal["kwatt.dev/v1alpha1"]
    kind: Literal["PowerBudget"]
    metadata: ObjectMeta
    spec: PowerBudgetSpec = Field(description="The cap, as its administrator declares it.")
    status: PowerBudgetStatus | None = Field(
        default=None, description="What the operator counts; written by the operator only."
    )
