"""NPUClass.spec.telemetry: what each vendor's exporter is like by default, and what an administrator changed.

Sources of the defaults, as docs/telemetry.md repeats them:
Furiosa: furiosa-ai/furiosa-metrics-exporter@4779b3a (internal/collector/power.go, labels.go, liveness.go) and
furiosa-ai/helm-charts (charts/furiosa-metrics-exporter: namespace, pod labels).
FuriosaWarboy: furiosa-ai/docs@949befa (kubernetes_support: microwatts, DaemonSet furiosa-npu-metrics-exporter);
its label as public dashboards query it.
Rebellions: RBLN-SW/rbln-metrics-exporter@617ac7c (internal/collector/hw_metrics.go, health_metrics.go,
labels.go; deployments/kubernetes/daemonset.yaml).
Mobilint: mobilint/mobilint-device-plugin@6faba61 (pkg/plugin/metrics/metrics.go, deploy/daemonset.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kwatt.api.v1alpha1.npu_class import NPUClassSpec
from kwatt.api.v1alpha1.telemetry import ClassTelemetry, Covers, Exporter, PowerUnit
from kwatt.errors import InvalidInput
from kwatt.model.npu import Basis, NpuClass
from kwatt.model.targets import CardFormat
from kwatt.observation.sources import ExporterPods, ParsedTelemetry
from kwatt.units import Power, Ratio

_NAME: Final = "app.kubernetes.io/name"
_MILLIWATTS: Final = {
    PowerUnit.WATTS: Ratio(1000, 1),
    PowerUnit.MILLIWATTS: Ratio(1, 1),
    PowerUnit.MICROWATTS: Ratio(1, 1000),
}
# Assumptions. A measured maximum is passed by a quarter at most; a printed one was by 1.94 (an RNGD
# of 150 W drew 290.9), and a slip of the unit is a thousandfold. No card idles at a tenth of its class's idle.
_CEILING: Final = {Basis.MEASURED: Ratio(5, 4)}
_PRINTED_CEILING: Final = Ratio(2, 1)
_FLOOR: Final = Ratio(1, 10)


@dataclass(frozen=True, slots=True)
class _Preset:
    port: int | None = None
    namespace: str | None = None
    pods: str = ""
    metrics: tuple[str, ...] = ()
    unit: PowerUnit = PowerUnit.WATTS
    card_label: str = ""
    match: tuple[tuple[str, str], ...] = ()
    health: tuple[str, ...] = ()
    healthy: int = 1
    covers: Covers = Covers.CARD


PRESETS: Final[Mapping[Exporter, _Preset]] = {
    Exporter.FURIOSA: _Preset(
        port=6254,
        namespace="kube-system",
        pods="furiosa-metrics-exporter",
        metrics=("furiosa_npu_hw_power",),
        card_label="uuid",
        match=(("label", "rms"),),
        health=("furiosa_npu_alive",),
    ),
    Exporter.FURIOSA_WARBOY: _Preset(
        port=6254,
        namespace="kube-system",
        pods="furiosa-npu-metrics-exporter",
        metrics=("furiosa_npu_hw_power",),
        unit=PowerUnit.MICROWATTS,
        card_label="uuid",
        match=(("label", "PCI Total RMS PWR"),),
    ),
    Exporter.REBELLIONS: _Preset(
        port=9090,
        namespace="rbln-system",
        pods="rbln-metrics-exporter",
        metrics=("rbln_npu_power", "RBLN_DEVICE_STATUS:CARD_POWER"),
        card_label="name",
        health=("rbln_npu_health", "RBLN_DEVICE_STATUS:HEALTH"),
        healthy=0,
        covers=Covers.CARD_ON_DEVICES,
    ),
    Exporter.MOBILINT: _Preset(
        port=9400,
        namespace="kube-system",
        pods="mobilint-device-plugin",
        metrics=("mobilint_npu_power_watts",),
        card_label="device",
        health=("mobilint_npu_health",),
    ),
    Exporter.GENERIC: _Preset(),
}


def telemetry_of(spec: NPUClassSpec, npu_class: NpuClass) -> ParsedTelemetry | None:
    """Return how the watts of a class are read, None where they are not. Raises InvalidInput."""
    telemetry = spec.telemetry
    if telemetry is None:
        return None
    preset = PRESETS[telemetry.exporter]
    port = telemetry.port or preset.port
    return ParsedTelemetry(
        format=_format(telemetry, preset, npu_class, spec.devices_per_card),
        interval_ms=telemetry.interval_seconds * 1000,
        scheme=telemetry.scheme.value,
        port=port or 0,
        path=telemetry.path,
        pods=_pods(telemetry, preset),
        prometheus=telemetry.prometheus.url if telemetry.prometheus else None,
        static=_addresses(telemetry, port),
    )


def _pods(telemetry: ClassTelemetry, preset: _Preset) -> ExporterPods | None:
    """Return which pods are exporters; None where nothing says in which namespace and by which labels."""
    selector = telemetry.pod_selector
    namespace = telemetry.namespace or preset.namespace
    labels = selector.match_labels if selector else {_NAME: preset.pods} if preset.pods else {}
    return ExporterPods(namespace, tuple(sorted(labels.items()))) if namespace and labels else None


def _addresses(telemetry: ClassTelemetry, port: int | None) -> tuple[tuple[str, str], ...]:
    found = []
    for index, one in enumerate(telemetry.static):
        has_port = ":" in one.address
        if not has_port and port is None:
            raise InvalidInput(
                f"spec.telemetry.static[{index}].address",
                "has no port, and spec.telemetry.port is absent; add one of them",
            )
        found.append((one.node, one.address if has_port else f"{one.address}:{port}"))
    return tuple(sorted(found))


def _format(
    telemetry: ClassTelemetry, preset: _Preset, npu_class: NpuClass, devices_per_card: int
) -> CardFormat:
    covers = telemetry.covers or preset.covers
    devices = 1 if covers is Covers.DEVICE else devices_per_card
    health = telemetry.health
    match = telemetry.match_labels
    margin = _CEILING.get(npu_class.basis, _PRINTED_CEILING)
    return CardFormat(
        npu_class=npu_class.name,
        metrics=telemetry.metrics or preset.metrics,
        card_label=telemetry.card_label or preset.card_label,
        milliwatts=_MILLIWATTS[telemetry.unit or preset.unit],
        idle=npu_class.idle * devices,
        floor=_times(npu_class.idle * devices, _FLOOR),
        ceiling=_times(npu_class.max * devices, margin),
        match=preset.match if match is None else tuple(sorted(match.items())),
        devices=devices,
        grouped=covers is Covers.CARD_ON_DEVICES and devices > 1,
        health=health.metrics if health else preset.health,
        healthy=health.healthy if health else preset.healthy,
        frozen_ms=telemetry.frozen_seconds * 1000 or None,
    )


def _times(power: Power, factor: Ratio) -> Power:
    return Power(max(1, power.milliwatts * factor.numerator // factor.denominator))
