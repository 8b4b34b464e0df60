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


_URL = "https?://[]A-Za-z0-9._:[-]+(/[A-Za-z0-9._~%/-]*)?"
_ONE_METER = Rule(
    "has(self.prometheus) != has(self.classes)",
    "write either prometheus or classes, one meter for one budget",
)
_METERED = Rule(
    "self.enforcement != 'Measured' || has(self.meter)",
    "enforcement Measured needs a meter; add spec.meter, or write Planned",
)
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


class Enforcement(StrEnum):
    """What holds a cap: the plan alone, or the meter too."""

    PLANNED = "Planned"
    MEASURED = "Measured"


class ClassMeter(StrEnum):
    """How watts of a budget are made of those of its cards."""

    SUM = "Sum"


class PrometheusMeter(Part):
    """A query to a Prometheus-compatible server."""

    url: Annotated[
        str,
        Field(max_length=1024),
        Pattern(_URL, "must be http:// or https:// with a host, without user, query or fragment"),
    ] = Field(description="Base URL of the server, such as http://prometheus.monitoring:9090.")
    query: Annotated[str, Field(min_length=1, max_length=2048)] = Field(
        description="PromQL with one value: the watts of all nodes under the cap, hosts included."
    )


class Meter(Part):
    """Where the watts of the whole budget are measured."""

    model_config = ruled(_ONE_METER)

    prometheus: PrometheusMeter | None = Field(
        default=None,
        description="A meter in a Prometheus-compatible server, such as that of a rack.",
    )
    classes: ClassMeter | None = Field(
        default=None,
        description="Sum: the watts of all cards under the cap as their exporters tell, and hostWatts.",
    )
    sustained_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=15,
        description="For how many seconds the meter must show more than the cap before replicas are "
        "taken off, where enforcement is Measured.",
    )
    calm_seconds: Annotated[int, Field(ge=15, le=3600)] = Field(
        default=300,
        description="For how many seconds the meter must leave room before anything comes back; up to 16 "
        "times longer where what came back had to go again.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        _ONE_METER.require((self.prometheus is None) != (self.classes is None))
        return self


class PowerBudgetSpec(Part):
    """A cap over nodes; budgets may nest and overlap, all of them hold."""

    model_config = ruled(_METERED)

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
    meter: Meter | None = Field(default=None, description="Where its watts are measured.")
    enforcement: Enforcement = Field(
        default=Enforcement.PLANNED,
        description="Planned: the cap holds by what is planned. Measured: replicas are also taken off "
        "while the meter shows more than the cap.",
    )

    @model_validator(mode="after")
    def _metered(self) -> Self:
        _METERED.require(self.enforcement is Enforcement.PLANNED or self.meter is not None)
        return self


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
    withheld_watts: Decimal | None = Field(
        default=None,
        description="Watts that are not planned with because the meter shows more than the plan; "
        "capWatts is without them. Absent when there are none.",
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
