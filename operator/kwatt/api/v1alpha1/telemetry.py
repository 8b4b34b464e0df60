"""How the power of an NPUClass is read: which exporter, what it calls the watts, and where it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from kwatt.api.v1alpha1.fields import Keyed, Name, Part, Pattern, Rule, ruled
from kwatt.api.v1alpha1.route import Namespace, Port


class Exporter(StrEnum):
    """Exporters whose names, labels and units are known."""

    FURIOSA = "Furiosa"
    FURIOSA_WARBOY = "FuriosaWarboy"
    REBELLIONS = "Rebellions"
    MOBILINT = "Mobilint"
    GENERIC = "Generic"


class Scheme(StrEnum):
    """How an exporter is spoken to."""

    HTTP = "http"
    HTTPS = "https"


class PowerUnit(StrEnum):
    """The unit of a power metric."""

    WATTS = "Watts"
    MILLIWATTS = "Milliwatts"
    MICROWATTS = "Microwatts"


class Covers(StrEnum):
    """What one series of power covers."""

    CARD = "Card"
    DEVICE = "Device"
    CARD_ON_DEVICES = "CardOnDevices"


REFRESH_SECONDS = {Exporter.FURIOSA: 10, Exporter.FURIOSA_WARBOY: 10}
LEAST_SECONDS = 5
_ONE_SOURCE = Rule(
    "(has(self.podSelector) ? 1 : 0) + (has(self.prometheus) ? 1 : 0) "
    "+ (has(self.static) && size(self.static) > 0 ? 1 : 0) <= 1",
    "podSelector, prometheus and static exclude one another; keep one",
)
_GENERIC_NAMES = Rule(
    "self.exporter != 'Generic' || (has(self.metrics) && size(self.metrics) > 0 "
    "&& has(self.cardLabel) && has(self.unit))",
    "exporter Generic has no defaults; give metrics, cardLabel and unit",
)
_GENERIC_SOURCE = Rule(
    "self.exporter != 'Generic' || has(self.prometheus) "
    "|| (has(self.static) && size(self.static) > 0) "
    "|| (has(self.podSelector) && has(self.__namespace__) && has(self.port))",
    "exporter Generic is found nowhere by itself; give prometheus, static, or namespace, podSelector "
    "and port",
)
_REFRESH = Rule(
    "!has(self.intervalSeconds) || !(self.exporter in ['Furiosa', 'FuriosaWarboy']) "
    "|| self.intervalSeconds >= 10",
    "intervalSeconds is shorter than the 10 s in which this exporter refreshes; write 10 or more",
)

MetricName = Annotated[
    str,
    Field(min_length=1, max_length=128),
    Pattern(
        "[a-zA-Z_:][a-zA-Z0-9_:]*",
        "must be the name of a metric: letters, digits, '_' and ':', no labels",
    ),
]
LabelName = Annotated[
    str,
    Field(min_length=1, max_length=64),
    Pattern("[a-zA-Z_][a-zA-Z0-9_]*", "must be the name of a label: letters, digits and '_'"),
]
Metrics = Annotated[tuple[MetricName, ...], Field(min_length=1, max_length=8), Keyed()]
UrlPath = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Pattern(
        "/[a-zA-Z0-9._~/-]*", "must be a path such as /metrics, without query", refused=("..",)
    ),
]
_HOST = "[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?"
ServerUrl = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Pattern(
        f"https?://{_HOST}(/[a-zA-Z0-9._~/-]*)?",
        "must be the address of a server such as http://prometheus.monitoring:9090, without user, "
        "password or query",
    ),
]
Address = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Pattern(_HOST, "must be a host or address, perhaps with a port, such as 10.0.0.7:9400"),
]


class HealthMetric(Part):
    """The metric that tells whether a card is well."""

    metrics: Metrics = Field(description="Names of it; the first that is served counts.")
    healthy: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=1, description="Its value of a healthy card; 0 where the exporter inverts it."
    )


class PodSelector(Part):
    """The exporter's pods in the namespace, by their labels."""

    match_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(min_length=1, max_length=16),
    ] = Field(description="Labels that the pods must have with exactly these values.")


class PrometheusServer(Part):
    """A server with the Prometheus query API."""

    url: ServerUrl = Field(description="Its address, without /api/v1.")


class StaticExporter(Part):
    """An exporter at an address of its own."""

    node: Name = Field(description="Node whose cards it tells of.")
    address: Address = Field(description="Host, or host and port.")


class ClassTelemetry(Part):
    """How the watts of the class's cards are read; what is absent is as the exporter's makers ship it."""

    model_config = ruled(_ONE_SOURCE, _GENERIC_NAMES, _GENERIC_SOURCE, _REFRESH)

    exporter: Exporter = Field(
        description="Whose exporter: Furiosa, FuriosaWarboy, Rebellions, Mobilint, or Generic without "
        "any defaults."
    )
    namespace: Namespace | None = Field(
        default=None,
        description="The only namespace in which pods count as exporters; nobody else may say what a "
        "card draws.",
    )
    pod_selector: PodSelector | None = Field(
        default=None, description="The exporter's pods: one that is ready on each node."
    )
    prometheus: PrometheusServer | None = Field(
        default=None, description="Server to ask instead of the exporters."
    )
    static: Annotated[tuple[StaticExporter, ...], Keyed(("node",))] = Field(
        default=(),
        max_length=256,
        description="Exporters at fixed addresses instead of pods, such as outside the cluster.",
    )
    scheme: Scheme = Field(default=Scheme.HTTP, description="http or https.")
    port: Port | None = Field(default=None, description="Port of the exporter.")
    path: UrlPath = Field(default="/metrics", description="Path of its metrics.")
    metrics: Metrics | None = Field(
        default=None,
        description="Names of the power metric; the first that an exporter serves counts.",
    )
    unit: PowerUnit | None = Field(default=None, description="Unit of the power metric.")
    card_label: LabelName | None = Field(
        default=None, description="Label that tells one card (or device) of a node from another."
    )
    match_labels: (
        Annotated[dict[str, Annotated[str, Field(max_length=128)]], Field(max_length=8)] | None
    ) = Field(
        default=None,
        description="Labels that a series must have with exactly these values; empty: must not have.",
    )
    covers: Covers | None = Field(
        default=None,
        description="What one series covers: a Card, a Device (one NPU), or CardOnDevices: the card's "
        "watts on one or each of its devices, which cardLabel numbers in a row.",
    )
    health: HealthMetric | None = Field(
        default=None, description="How a card that is not well is told."
    )
    interval_seconds: Annotated[int, Field(ge=LEAST_SECONDS, le=300)] = Field(
        default=15,
        description="Seconds between two readings; not below what the exporter refreshes in.",
    )
    frozen_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        default=600,
        description="After so many seconds without any change a reading with decimals is taken for "
        "frozen; 0 for never.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sources = bool(self.pod_selector) + bool(self.prometheus) + bool(self.static)
        _ONE_SOURCE.require(sources <= 1)
        if self.exporter is Exporter.GENERIC:
            _GENERIC_NAMES.require(bool(self.metrics and self.card_label and self.unit))
            by_pods = bool(self.pod_selector and self.namespace and self.port)
            _GENERIC_SOURCE.require(bool(self.prometheus or self.static or by_pods))
        least = REFRESH_SECONDS.get(self.exporter, LEAST_SECONDS)
        _REFRESH.require(self.interval_seconds >= least)
        return self
