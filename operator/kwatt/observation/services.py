"""Services of the snapshot: what each wants, what it has already, and which can't be planned and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.snapshot import Incumbent, Pod, Service
from kwatt.observation.catalogue import Catalogue
from kwatt.observation.memory import Memo, Memory, Resolved
from kwatt.observation.ownership import Owned
from kwatt.observation.values import Invalid, Notice, NoticeReason, ParsedPriority, ParsedService
from kwatt.observation.world import World
from kwatt.units import NO_THROUGHPUT, Throughput

# PriorityClasses that every API server has, needed where only files are read
# https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/
_BUILT_IN = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_SERVICE = "InferenceService"


@dataclass(frozen=True, slots=True)
class Services:
    """Services to plan or to keep, what is wrong with the others, and what is to be known."""

    services: tuple[Service, ...]
    invalid: tuple[Invalid, ...]
    notices: tuple[Notice, ...]


def retired_pods(world: World, owned: Owned) -> frozenset[str]:
    """Return the uids of own pods whose InferenceService is gone or going."""
    present = {one.uid for one in world.services if not one.deleting}
    present |= {one.uid for one in world.invalid if one.kind == _SERVICE}
    owners = {(one.namespace, one.name): one.owner_uid for one in owned.deployments}
    return frozenset(
        pod.uid
        for pod in owned.pods
        if owners.get((pod.key.namespace, pod.deployment), "") not in present
    )


def resolve_services(
    world: World,
    catalogue: Catalogue,
    pods: Iterable[Pod],
    memory: Memory,
    demands: Mapping[ServiceKey, Throughput],
) -> Services:
    """Resolve every service; `pods` are KWatt's own without the retired ones.

    `demands` are the rates of services that follow their demand; one that is not there gets its most.

    A service that can't be planned but has replicas is `held`: it keeps them, and nothing is added. One
    whose spec can't even be read is held with a target of 0.
    """
    resolver = _Resolver(world, catalogue, pods, memory.services, demands)
    wanted = sorted(
        (one for one in world.services if not one.deleting),
        key=lambda one: (one.namespace, one.name),
    )
    for one in wanted:
        resolver.resolve(one)
    for broken in world.invalid:
        if broken.kind == _SERVICE:
            resolver.hold(broken)
    return resolver.result()


class _Resolver:
    """Collects services, problems and notices; the lookups are made once."""

    def __init__(
        self,
        world: World,
        catalogue: Catalogue,
        pods: Iterable[Pod],
        memo: Memo[ParsedService, Resolved],
        demands: Mapping[ServiceKey, Throughput],
    ) -> None:
        self._catalogue = catalogue
        self._demands = demands
        self._memo = memo
        self._verdicts = world.verdicts
        self._serves_routes = world.serves_routes
        self._priorities = _priorities(world.priorities)
        self._default = _default_priority(world.priorities)
        self._pod_priorities = {pod.uid: pod.priority for pod in world.pods if pod.priority}
        self._broken_profiles = {
            one.name: one for one in world.invalid if one.kind == "ModelProfile"
        }
        self._pods: defaultdict[ServiceKey, list[Pod]] = defaultdict(list)
        nodes = {node.name for node in world.nodes}
        for pod in pods:
            if pod.assigned in nodes and not pod.terminating and not pod.finished:
                self._pods[pod.service].append(pod)
        self._memo.open(
            (
                catalogue,
                self._priorities,
                self._default,
                self._pod_priorities,
                self._broken_profiles,
                self._serves_routes,
            )
        )
        self._services: list[Service] = []
        self._invalid: list[Invalid] = []
        self._notices: list[Notice] = []

    def result(self) -> Services:
        services = tuple(sorted(self._services, key=lambda service: service.key))
        return Services(services, tuple(self._invalid), tuple(self._notices))

    def resolve(self, one: ParsedService) -> None:
        pods = self._pods.get(ServiceKey(one.namespace, one.name), [])
        verdict = self._verdicts.get((one.uid, one.generation))
        target = target_of(one, self._demands)
        service, problem, notices = self._memo.value(self._resolved, one, pods, verdict, target)
        self._services += [service] if service else []
        self._invalid += [problem] if problem else []
        self._notices += notices

    def _resolved(
        self, one: ParsedService, pods: Sequence[Pod], verdict: str | None, target: Throughput
    ) -> Resolved:
        problem = self._problem(one, verdict)
        key = ServiceKey(one.namespace, one.name)
        service = None
        if problem is None or pods:
            held = problem.message if problem else self._no_class(one)
            service = self._service(key, one, target, held)
        return service, problem, self._unknown_classes(one)

    def hold(self, broken: Invalid) -> None:
        """Keep the replicas of a service whose spec can't be read."""
        key = ServiceKey(broken.namespace, broken.name)
        if self._pods[key]:
            incumbents, priority = self._incumbents(key), self._priority_of_pods(key)
            held = f"{broken.field}: {broken.message}"
            self._services.append(
                Service(key, "", NO_THROUGHPUT, priority, incumbents=incumbents, held=held)
            )

    def _service(
        self, key: ServiceKey, one: ParsedService, target: Throughput, held: str | None
    ) -> Service:
        return Service(
            key=key,
            model=one.model,
            target=target,
            priority=self._priority(key, one),
            latency_micros=one.latency_micros,
            power_limit=one.power_limit,
            allowed=one.allowed,
            mixes=one.routed and self._serves_routes,
            min_replicas=one.min_replicas,
            max_replicas=one.max_replicas,
            shape=one.shape,
            shapes=one.shapes,
            incumbents=self._incumbents(key),
            held=held,
            starting=sum(not pod.ready for pod in self._pods[key]),
        )

    def _problem(self, one: ParsedService, verdict: str | None) -> Invalid | None:
        """Return what keeps the service from being planned, the first thing to mend."""
        if verdict is not None:
            return _invalid(one, "spec.template", verdict)
        if one.model not in self._catalogue.profiles:
            return _invalid(one, "spec.model", self._no_profile(one.model))
        if one.priority_class is not None and one.priority_class not in self._priorities:
            message = (
                f"PriorityClass {one.priority_class!r} does not exist; create it or name another"
            )
            return _invalid(one, "spec.priorityClassName", message)
        for resource, who in one.asked.items():
            npu_class = self._catalogue.owner_of(resource)
            if npu_class:
                message = (
                    f"{who} asks for {resource}; remove it, KWatt sets the NPUs of {npu_class}"
                )
                return _invalid(one, "spec.template", message)
        return None

    def _no_profile(self, model: str) -> str:
        broken = self._broken_profiles.get(model)
        if broken:
            return f"ModelProfile {model!r} can't be used: {broken.field}: {broken.message}"
        return f"ModelProfile {model!r} does not exist; create it or name another"

    def _no_class(self, one: ParsedService) -> str | None:
        """Say why replicas are only kept: the classes that are measured and allowed are gone."""
        if not self._pods[ServiceKey(one.namespace, one.name)]:
            return None
        measured = self._catalogue.measured[one.model]
        wanted = measured if one.allowed is None else measured & frozenset(one.allowed)
        if not wanted or wanted & self._catalogue.classes.keys():
            return None
        return self._catalogue.profiles[one.model].unusable_of(one.allowed)

    def _unknown_classes(self, one: ParsedService) -> tuple[Notice, ...]:
        unknown = sorted(set(one.allowed or ()) - self._catalogue.existing)
        if not unknown:
            return ()
        message = f"spec.npuClasses names {', '.join(unknown)}, which no NPUClass is called"
        reason = NoticeReason.UNKNOWN_CLASS
        return (Notice(_SERVICE, one.namespace, one.name, reason, message),)

    def _priority(self, key: ServiceKey, one: ParsedService) -> int:
        if one.priority_class is None:
            return self._default
        value = self._priorities.get(one.priority_class)
        return self._priority_of_pods(key) if value is None else value

    def _priority_of_pods(self, key: ServiceKey) -> int:
        """Return what the pods were admitted with, where the spec can't tell any more."""
        found = (self._pod_priorities.get(pod.uid, 0) for pod in self._pods[key])
        return max(found, default=self._default)

    def _incumbents(self, key: ServiceKey) -> tuple[Incumbent, ...]:
        """Count the replicas by variant and node; of different watts the most counts."""
        watts: defaultdict[tuple[Variant, str], list[int]] = defaultdict(list)
        for pod in self._pods[key]:
            watts[pod.variant, pod.assigned or ""].append(pod.watts)
        return tuple(
            Incumbent(variant, node, len(watts[variant, node]), max(watts[variant, node]))
            for variant, node in sorted(watts)
        )


def target_of(one: ParsedService, demands: Mapping[ServiceKey, Throughput]) -> Throughput:
    """Return the rate to plan: the fixed one, or the one that follows the demand, within its bounds."""
    bounds = one.demand_range
    if bounds is None:
        return one.target
    followed = demands.get(ServiceKey(one.namespace, one.name), bounds.most)
    return min(max(followed, bounds.least), bounds.most)


def _priorities(classes: Iterable[ParsedPriority]) -> Mapping[str, int]:
    return _BUILT_IN | {one.name: one.value for one in classes}


def _default_priority(classes: Iterable[ParsedPriority]) -> int:
    """Return the value of the default class; of several the API server takes the least as well."""
    return min((one.value for one in classes if one.is_default), default=0)


def _invalid(one: ParsedService, field: str, message: str) -> Invalid:
    return Invalid(_SERVICE, one.namespace, one.name, field, message, one.uid, one.generation)
