"""Scenario files: nodes, services, loads, pods and faults in YAML or JSON, and the world that they describe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from fakenpu.faults import Faults, Part
from fakenpu.keys import PodKey, ServiceKey
from fakenpu.loads import ConstantLoad, Load
from fakenpu.manifests import node_of
from fakenpu.pods import Draw, Node, Pod, Runtime, Service
from fakenpu.products import BY_NAME, Product
from fakenpu.profiles import Profile, profiles_of
from fakenpu.quantities import BadInput, milliwatts
from fakenpu.world import World

_PER_WATT: Mapping[str, int] = {"W": 1, "mW": 1_000, "uW": 1_000_000}


class ScenarioNode(Part):
    """A node and its exporter."""

    name: str
    product: str
    devices: int = Field(ge=1, le=1_024)
    legacy_names: bool = False
    metric: str = "npu_power_watts"
    card_label: str = "card"
    unit: Literal["W", "mW", "uW"] = "W"
    idle_watts: float | None = None
    max_watts: float | None = None
    faults: Faults = Faults()

    def as_node(self) -> Node:
        product = BY_NAME.get(self.product)
        if product is None:
            raise BadInput(f"nodes.{self.name}.product: unknown; use one of {sorted(BY_NAME)}")
        return Node(
            name=self.name,
            product=_with_watts(product, self.idle_watts, self.max_watts),
            devices=self.devices,
            legacy_names=self.legacy_names,
            metric=self.metric,
            card_label=self.card_label,
            microunits=1_000_000 // _PER_WATT[self.unit],
        )


class ScenarioService(Part):
    """What is asked of an InferenceService, and how its runtime counts."""

    namespace: str
    name: str
    model: str
    load: Load = ConstantLoad(shape="Constant", per_second=0)
    runtime: Runtime = Runtime.COUNTER
    counter: str = "served_total"
    engines: int = Field(default=1, ge=1, le=64)
    units_per_request: int = Field(default=1, ge=1)
    prompt_per_request: int = Field(default=0, ge=0)
    queue_seconds: int = Field(default=60, ge=0)
    idle_at_rest: bool = False
    draw_percent: float = Field(default=100.0, gt=0)
    draw_percent_per_hour: float = 0.0
    engine_label: Literal["engine", "leader_device"] = "engine"
    sdk2025: bool = False

    def as_service(self, folder: Path) -> Service:
        return Service(
            key=ServiceKey(self.namespace, self.name),
            model=self.model,
            demand=self.load.as_shape(folder),
            runtime=self.runtime,
            engines=self.engines,
            units_per_request=self.units_per_request,
            prompt_per_request=self.prompt_per_request,
            queue_seconds=self.queue_seconds,
            idle_at_rest=self.idle_at_rest,
            draw=Draw(self.draw_percent, self.draw_percent_per_hour),
            counter=self.counter,
            engine_label=self.engine_label,
            sdk_2025=self.sdk2025,
        )


class ScenarioPod(Part):
    """A pod that holds NPUs of a node, where no cluster tells."""

    namespace: str
    name: str
    node: str
    npu_class: str
    npus: int = Field(default=1, ge=1)
    service: str = ""
    env: dict[str, str] = Field(default_factory=dict)
    container: str = "server"
    ready: bool = True
    faults: Faults = Faults()

    def as_pod(self) -> Pod:
        service = ServiceKey(self.namespace, self.service) if self.service else None
        return Pod(
            key=PodKey(self.namespace, self.name),
            node=self.node,
            npus=self.npus,
            npu_class=self.npu_class,
            service=service,
            env=self.env,
            container=self.container,
            ready=self.ready,
        )


class Scenario(Part):
    """All that a fakenpu plays. Paths are relative to the scenario's file."""

    time_scale: float = Field(default=1.0, ge=0, le=100_000)
    profiles: tuple[str, ...] = ()
    node_manifests: tuple[str, ...] = ()
    nodes: tuple[ScenarioNode, ...] = ()
    services: tuple[ScenarioService, ...] = ()
    pods: tuple[ScenarioPod, ...] = ()
    faults: dict[str, Faults] = Field(default_factory=dict)


def read_scenario(file: Path) -> Scenario:
    """Return what a file says; raise BadInput with the field and what is wrong."""
    try:
        return scenario_of(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: {error}") from error


def scenario_of(document: Any) -> Scenario:
    """Return a parsed document as a scenario; raise BadInput."""
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        raise BadInput(sentences(error)) from error


def sentences(error: ValidationError) -> str:
    """Return what pydantic found, one clause per field."""
    return "; ".join(
        f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
        for found in error.errors(include_url=False)
    )


def world_of(scenario: Scenario, folder: Path, epoch: int = 0) -> World:
    """Return the world that a scenario describes; raise BadInput where its parts do not fit."""
    world = World(_nodes(scenario, folder), epoch=epoch, profiles=_profiles(scenario, folder))
    for service in scenario.services:
        world.add_service(service.as_service(folder))
    for row in scenario.nodes:
        world.set_faults(row.name, row.faults)
    for pod in scenario.pods:
        if not world.place(pod.as_pod()):
            raise BadInput(
                f"pods.{pod.name}: node {pod.node} is unknown or has not {pod.npus} free"
            )
        world.set_faults(PodKey(pod.namespace, pod.name), pod.faults)
    for target, faults in scenario.faults.items():
        world.set_faults(target_of(target), faults)
    return world


def target_of(text: str) -> str | PodKey:
    """Return whose faults are meant: "node", or "namespace/pod"."""
    namespace, slash, pod = text.partition("/")
    return PodKey(namespace, pod) if slash else text


def manifests_in(paths: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """Return the parsed manifests of files and folders of YAML; raise BadInput."""
    for path in paths:
        files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
        for file in files:
            try:
                bodies = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
            except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
                raise BadInput(f"{file}: {error}") from error
            yield from (body for body in bodies if isinstance(body, dict))


def _nodes(scenario: Scenario, folder: Path) -> list[Node]:
    bodies = manifests_in(folder / path for path in scenario.node_manifests)
    found = [node_of(body) for body in bodies if body.get("kind") == "Node"]
    named = {node.name: node for node in found if node is not None}
    return list((named | {row.name: row.as_node() for row in scenario.nodes}).values())


def _profiles(scenario: Scenario, folder: Path) -> dict[str, Profile]:
    return profiles_of(manifests_in(folder / path for path in scenario.profiles))


def _with_watts(product: Product, idle: float | None, maximum: float | None) -> Product:
    return replace(
        product,
        idle=product.idle if idle is None else milliwatts(idle, "idleWatts"),
        maximum=product.maximum if maximum is None else milliwatts(maximum, "maxWatts"),
    )
