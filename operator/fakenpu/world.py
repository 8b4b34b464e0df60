"""The simulated fleet: nodes with cards, pods that hold them, services that ask for work. Pure, told the time.

`World.advance` steps from change to change, in between everything is constant: the joules that its meter shows
are the exact integral of the watts that its cards drew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fakenpu.curves import Curve
from fakenpu.exposition.node import node_text
from fakenpu.exposition.readings import NodeReading
from fakenpu.faults import NO_FAULTS, Faults
from fakenpu.fleet import Fleet
from fakenpu.keys import PodKey, ServiceKey
from fakenpu.meter import Frozen, Meter, Work, sum_of
from fakenpu.pods import Node, Pod, Service
from fakenpu.profiles import Profile
from fakenpu.quantities import BadInput, milliseconds
from fakenpu.reading import node_reading, runtime_exposition
from fakenpu.replica import Replica
from fakenpu.shapes import NEVER, Shape
from fakenpu.shares import even_shares

_MINUTE = 60_000
_NOTHING = Work(0, 0, 0, 0)


class World:
    """A fleet that lives as fast as it is told to. Instants are milliseconds since it began."""

    def __init__(
        self,
        nodes: Iterable[Node] = (),
        services: Iterable[Service] = (),
        profiles: Mapping[str, Profile] | None = None,
        epoch: int = 0,
    ) -> None:
        self.now = 0
        self.epoch = epoch  # the wall time at which it began, milliseconds since 1970
        self.profiles = dict(profiles or {})
        self.fleet = Fleet()
        self.services: dict[ServiceKey, Service] = {}
        self.replicas: dict[PodKey, Replica] = {}
        self._faults: dict[str | PodKey, Faults] = {}
        self._frozen: dict[str | PodKey, Frozen] = {}
        self._changed = False
        self._next = NEVER
        self._worked_until = 0
        self._unserved: tuple[Service, ...] = ()
        self._past_energy: dict[PodKey, int] = {}
        self._past_service: dict[PodKey, ServiceKey] = {}
        self._past_work: dict[ServiceKey, Work] = {}
        for node in nodes:
            self.add_node(node)
        for service in services:
            self.add_service(service)

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Return the nodes by name."""
        return self.fleet.nodes

    # What there is.

    def add_node(self, node: Node) -> None:
        """Add a node, or take its new settings; the number of its devices stays."""
        self.fleet.add(node, self.now)

    def add_service(self, service: Service) -> None:
        """Add a service, or take what is asked of it from now on."""
        self._change()
        self.services[service.key] = service
        for replica in self.replicas.values():
            if replica.pod.service == service.key:
                replica.curve = self._curve_of(replica.pod)

    def set_profile(self, profile: Profile) -> None:
        """Add a profile or take its new points."""
        self.profiles[profile.name] = profile
        for service in [one for one in self.services.values() if one.model == profile.name]:
            self.add_service(service)

    def set_demand(self, key: ServiceKey, demand: Shape) -> None:
        """Ask `demand` of a service from now on; raise BadInput for one that is not known."""
        if key not in self.services:
            raise BadInput(f"service {'/'.join(key)}: not known; add it to the scenario's services")
        self.add_service(replace(self.services[key], demand=demand))

    def place(self, pod: Pod) -> bool:
        """Add or update a pod; return False where its node is unknown or has not the devices free."""
        known = self.replicas.get(pod.key)
        if known is not None and (known.pod.node, known.pod.npus) != (pod.node, pod.npus):
            self.remove(pod.key)
            known = None
        if known is None:
            devices = self.fleet.free(pod.node, pod.npus)
            if devices is None:
                return False
            known = Replica(pod, devices, self.nodes[pod.node].product.idle, self.now)
            self.replicas[pod.key] = known
            self.fleet.hold(devices, pod, self.now)
        self._change()
        known.pod, known.curve = pod, self._curve_of(pod)
        if not pod.ready:
            known.drop_queue()
        return True

    def remove(self, key: PodKey) -> None:
        """Take a pod away; what waited in it is refused, its devices draw idle."""
        if key not in self.replicas:
            return
        self._change()
        replica = self.replicas.pop(key)
        replica.drop_queue()
        self.fleet.let_go(replica.pod.node, replica.devices, self.now)
        energy = replica.power.microjoules_at(self.now)
        self._past_energy[key] = self._past_energy.get(key, 0) + energy
        if replica.pod.service is not None:
            self._past_service[key] = replica.pod.service
            self._book(replica.pod.service, replica.work_done())
        self.set_faults(key, NO_FAULTS)

    def restart_counters(self, key: PodKey) -> None:
        """Let the counters of a pod begin anew, as after a restart of its server."""
        self._work()
        self.replicas[key].base = self.replicas[key].served

    # Time.

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.advance_to(self.now + milliseconds(seconds, "seconds"))

    def advance_to(self, instant: int) -> None:
        """Let time pass until an instant; one in the past changes nothing."""
        self._settle()
        while self._next <= instant:
            self.now = self._next
            self._changed = True
            self._settle()
        self.now = max(self.now, instant)

    # What it does wrong: faults of a node's exporter, by its name, or of a pod's runtime.

    def set_faults(self, target: str | PodKey, faults: Faults) -> None:
        """Switch faults of one exporter or runtime from now on; NO_FAULTS ends them."""
        self._faults[target] = faults
        if not faults.frozen:
            self._frozen.pop(target, None)
        elif target not in self._frozen:
            self._frozen[target] = self._snapshot(target)
        if faults == NO_FAULTS:
            del self._faults[target]

    def faults_of(self, target: str | PodKey) -> Faults:
        """Return the faults of an exporter or runtime."""
        return self._faults.get(target, NO_FAULTS)

    def frozen(self, target: str | PodKey) -> Frozen | None:
        """Return what a frozen exporter or runtime goes on saying, None for one that lives."""
        return self._frozen.get(target)

    # What it shows.

    def milliwatts(self, node: str, device: int) -> int:
        """Return what a device truly draws now."""
        self._settle()
        return self.fleet.milliwatts(node, device, self.now)

    def exposition(self, node: str) -> str:
        """Return what a node's exporter writes now; raise BadInput for a node that is not known."""
        return node_text(self.reading(node))

    def reading(self, node: str) -> NodeReading:
        """Return the values of `exposition`: for tests that need no text, many times as fast."""
        self._settle()
        return node_reading(self, node)

    def runtime_exposition(self, pod: PodKey) -> str:
        """Return what a pod's runtime writes now; raise BadInput for a pod that serves nothing."""
        self._settle()
        replica = self.replicas.get(pod)
        if replica is not None:
            replica.work_until(self.now, self._service_of(replica))
        return runtime_exposition(self, pod)

    def meter(self) -> Meter:
        """Return the true energy and work until now."""
        self._settle()
        self._work()
        cards = self.fleet.card_energy(self.now)
        nodes = dict.fromkeys(self.nodes, 0)
        for card, energy in cards.items():
            nodes[card.node] += energy
        pods = dict(self._past_energy)
        for key, replica in self.replicas.items():
            pods[key] = pods.get(key, 0) + replica.power.microjoules_at(self.now)
        return Meter(self.now, cards, nodes, pods, self._service_energy(pods), self._service_work())

    # Private.

    def _change(self) -> None:
        """Count the work until now, before something changes; what follows is settled once for all changes."""
        self._work()
        self._changed = True

    def _work(self) -> None:
        if self._worked_until == self.now:
            return
        for replica in self.replicas.values():
            replica.work_until(self.now, self._service_of(replica))
        for service in self._unserved:
            come = service.demand.rate_at(self._worked_until) * (self.now - self._worked_until)
            self._book(service.key, Work(come, 0, 0, come))
        self._worked_until = self.now

    def _settle(self) -> None:
        """Split what is asked evenly over the ready pods of each service, and let the cards draw for it.

        Nothing to do where nothing changed. Until `_next` nothing changes by itself.
        """
        if not self._changed:
            return
        self._work()
        self._changed = False
        ready: dict[ServiceKey, list[Replica]] = {}
        for key in sorted(self.replicas):
            replica = self.replicas[key]
            replica.settle(0)
            if replica.pod.service in self.services and replica.pod.ready:
                ready.setdefault(self.services[replica.pod.service].key, []).append(replica)
        for service_key, replicas in ready.items():
            demand = self.services[service_key].demand.rate_at(self.now)
            for replica, share in zip(replicas, even_shares(demand, len(replicas)), strict=True):
                replica.settle(share)
        self._unserved = tuple(s for key, s in self.services.items() if key not in ready)
        self._draw()
        self._next = self._next_change()

    def _draw(self) -> None:
        for replica in self.replicas.values():
            node = replica.pod.node
            maximum = self.nodes[node].product.maximum
            total = replica.draws(self._service_of(replica), maximum, self.now)
            replica.power.change(self.now, total)
            self.fleet.draw(node, replica.devices, total, self.now)

    def _next_change(self) -> int:
        loads = (service.demand.next_change(self.now) for service in self.services.values())
        drains = (self.now + replica.drained_in() for replica in self.replicas.values())
        drifting = any(service.draw.percent_per_hour for service in self.services.values())
        minute = (self.now // _MINUTE + 1) * _MINUTE if drifting else NEVER
        return min([NEVER, minute, *loads, *drains])

    def _service_of(self, replica: Replica) -> Service | None:
        return None if replica.pod.service is None else self.services.get(replica.pod.service)

    def _curve_of(self, pod: Pod) -> Curve | None:
        service = self.services.get(pod.service) if pod.service else None
        profile = self.profiles.get(service.model) if service else None
        return profile.curve_of(pod.npu_class, pod.npus, pod.env) if profile else None

    def _snapshot(self, target: str | PodKey) -> Frozen:
        self._settle()
        self._work()
        if isinstance(target, str):
            devices = range(self.nodes[target].devices if target in self.nodes else 0)
            drawn = tuple(self.fleet.milliwatts(target, number, self.now) for number in devices)
            return Frozen(self.now, drawn)
        replica = self.replicas.get(target)
        return Frozen(self.now, work=None if replica is None else replica.work_done())

    def _book(self, key: ServiceKey, work: Work) -> None:
        self._past_work[key] = sum_of(self._past_work.get(key, _NOTHING), work)

    def _service_energy(self, pods: Mapping[PodKey, int]) -> dict[ServiceKey, int]:
        energy = dict.fromkeys(self.services, 0)
        for key, microjoules in pods.items():
            replica = self.replicas.get(key)
            service = self._past_service.get(key) if replica is None else replica.pod.service
            if service is not None:
                energy[service] = energy.get(service, 0) + microjoules
        return energy

    def _service_work(self) -> dict[ServiceKey, Work]:
        work = {key: self._past_work.get(key, _NOTHING) for key in self.services}
        for replica in self.replicas.values():
            key = replica.pod.service
            if key is not None:
                work[key] = sum_of(work.get(key, _NOTHING), replica.work_done())
        return work
