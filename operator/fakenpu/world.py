"""The simulated fleet: nodes with cards, pods that hold them, services that ask for work. Pure, told the time.

`World.advance` steps from change to change, in between everything is constant: the joules that its meter shows
are the exact integral of the watts that its cards drew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fakenpu.curves import Curve
from fakenpu.faults import NO_FAULTS, Faults
from fakenpu.integral import Integral
from fakenpu.keys import CardKey, PodKey, ServiceKey
from fakenpu.meter import Meter, Work
from fakenpu.pods import Node, Pod, Service
from fakenpu.profiles import Profile
from fakenpu.quantities import BadInput, milliseconds
from fakenpu.reading import exposition, runtime_exposition
from fakenpu.replica import Replica
from fakenpu.shapes import NEVER, Shape
from fakenpu.shares import even_shares

_MINUTE = 60_000
_NOTHING = Work(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was true when somebody stopped looking: milliwatts by device, or the work of a pod."""

    at: int
    milliwatts: tuple[int, ...] = ()
    work: Work | None = None


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
        self.nodes: dict[str, Node] = {}
        self.services: dict[ServiceKey, Service] = {}
        self.replicas: dict[PodKey, Replica] = {}
        self._faults: dict[str | PodKey, Faults] = {}
        self._frozen: dict[str | PodKey, Frozen] = {}
        self._devices: dict[str, list[Integral]] = {}
        self._holders: dict[str, list[Replica | None]] = {}
        self._past_energy: dict[PodKey, int] = {}
        self._past_service: dict[PodKey, ServiceKey] = {}
        self._past_work: dict[ServiceKey, Work] = {}
        for node in nodes:
            self.add_node(node)
        for service in services:
            self.add_service(service)

    # What there is.

    def add_node(self, node: Node) -> None:
        """Add a node, or take its new settings; the number of its devices stays."""
        known = self.nodes.get(node.name)
        self.nodes[node.name] = node if known is None else replace(node, devices=known.devices)
        if known is None:
            idle = node.product.idle
            self._devices[node.name] = [Integral(self.now, idle) for _ in range(node.devices)]
            self._holders[node.name] = [None] * node.devices

    def add_service(self, service: Service) -> None:
        """Add a service, or take what is asked of it from now on."""
        self.services[service.key] = service
        for replica in self.replicas.values():
            if replica.pod.service == service.key:
                replica.curve = self._curve_of(replica.pod)
        self._settle()

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
            devices = self._free_devices(pod)
            if devices is None:
                return False
            known = Replica(pod, devices, self.nodes[pod.node].product.idle, self.now)
            self.replicas[pod.key] = known
            for device in devices:
                self._holders[pod.node][device] = known
        known.pod, known.curve = pod, self._curve_of(pod)
        if not pod.ready:
            known.drop_queue()
        self._settle()
        return True

    def remove(self, key: PodKey) -> None:
        """Take a pod away; what waited in it is refused, its devices draw idle."""
        replica = self.replicas.pop(key, None)
        if replica is None:
            return
        replica.drop_queue()
        for device in replica.devices:
            self._holders[replica.pod.node][device] = None
            idle = self.nodes[replica.pod.node].product.idle
            self._devices[replica.pod.node][device].change(self.now, idle)
        self._past_energy[key] = self._past_energy.get(key, 0) + replica.power.microjoules_at(
            self.now
        )
        if replica.pod.service is not None:
            self._past_service[key] = replica.pod.service
            self._book(replica.pod.service, replica.work_done())
        self.set_faults(key, NO_FAULTS)
        self._settle()

    def restart_counters(self, key: PodKey) -> None:
        """Let the counters of a pod begin anew, as after a restart of its server."""
        self.replicas[key].base = self.replicas[key].served

    # Time.

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.advance_to(self.now + milliseconds(seconds, "seconds"))

    def advance_to(self, instant: int) -> None:
        """Let time pass until an instant; one in the past changes nothing."""
        while self.now < instant:
            until = min(instant, self._next_change())
            for replica in self.replicas.values():
                replica.work(until - self.now, self._service_of(replica))
            self._refuse_where_nobody_serves(until - self.now)
            self.now = until
            self._settle()

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

    def milliwatts(self, node: str, device: int, instant: int | None = None) -> int:
        """Return what a device truly draws, now or at an instant of the last two minutes."""
        power = self._devices[node][device]
        return power.milliwatts if instant is None else power.milliwatts_at(instant)

    def holder(self, node: str, device: int) -> Replica | None:
        """Return the pod that holds a device."""
        return self._holders[node][device]

    def exposition(self, node: str) -> str:
        """Return what a node's exporter writes now; raise BadInput for a node that is not known."""
        return exposition(self, node)

    def runtime_exposition(self, pod: PodKey) -> str:
        """Return what a pod's runtime writes now; raise BadInput for a pod that serves nothing."""
        return runtime_exposition(self, pod)

    def meter(self) -> Meter:
        """Return the true energy and work until now."""
        cards = self._card_energy()
        nodes = dict.fromkeys(self.nodes, 0)
        for card, energy in cards.items():
            nodes[card.node] += energy
        pods = dict(self._past_energy)
        for key, replica in self.replicas.items():
            pods[key] = pods.get(key, 0) + replica.power.microjoules_at(self.now)
        return Meter(self.now, cards, nodes, pods, self._service_energy(pods), self._work())

    # Private.

    def _snapshot(self, target: str | PodKey) -> Frozen:
        if isinstance(target, str):
            return Frozen(self.now, tuple(d.milliwatts for d in self._devices.get(target, ())))
        replica = self.replicas.get(target)
        return Frozen(self.now, work=None if replica is None else replica.work_done())

    def _free_devices(self, pod: Pod) -> tuple[int, ...] | None:
        holders = self._holders.get(pod.node, [])
        free = [device for device, holder in enumerate(holders) if holder is None]
        return tuple(free[: pod.npus]) if 0 < pod.npus <= len(free) else None

    def _service_of(self, replica: Replica) -> Service | None:
        return None if replica.pod.service is None else self.services.get(replica.pod.service)

    def _settle(self) -> None:
        """Split what is asked evenly over the ready pods of each service, and let the cards draw for it."""
        ready: dict[ServiceKey, list[Replica]] = {}
        for key in sorted(self.replicas):
            replica = self.replicas[key]
            service = self._service_of(replica)
            replica.settle(0)
            if service is not None and replica.pod.ready:
                ready.setdefault(service.key, []).append(replica)
        for service_key, replicas in ready.items():
            demand = self.services[service_key].demand.rate_at(self.now)
            for replica, share in zip(replicas, even_shares(demand, len(replicas)), strict=True):
                replica.settle(share)
        self._draw()

    def _curve_of(self, pod: Pod) -> Curve | None:
        service = self.services.get(pod.service) if pod.service else None
        profile = self.profiles.get(service.model) if service else None
        return profile.curve_of(pod.npu_class, pod.npus, pod.env) if profile else None

    def _draw(self) -> None:
        for replica in self.replicas.values():
            product = self.nodes[replica.pod.node].product
            total = replica.draws(self._service_of(replica), product.maximum, self.now)
            replica.power.change(self.now, total)
            shares = even_shares(total, len(replica.devices))
            for device, share in zip(replica.devices, shares, strict=True):
                self._devices[replica.pod.node][device].change(self.now, share)

    def _next_change(self) -> int:
        loads = (service.demand.next_change(self.now) for service in self.services.values())
        drains = (self.now + replica.drained_in() for replica in self.replicas.values())
        drifting = any(service.draw.percent_per_hour for service in self.services.values())
        minute = (self.now // _MINUTE + 1) * _MINUTE if drifting else NEVER
        return min([NEVER, minute, *loads, *drains])

    def _refuse_where_nobody_serves(self, elapsed: int) -> None:
        served = {r.pod.service for r in self.replicas.values() if r.pod.ready}
        for key, service in self.services.items():
            if key not in served:
                come = service.demand.rate_at(self.now) * elapsed
                self._book(key, Work(come, 0, 0, come))

    def _book(self, key: ServiceKey, work: Work) -> None:
        self._past_work[key] = _sum_of(self._past_work.get(key, _NOTHING), work)

    def _card_energy(self) -> dict[CardKey, int]:
        energy: dict[CardKey, int] = {}
        for name, devices in self._devices.items():
            per_card = self.nodes[name].product.devices_per_card
            for number, power in enumerate(devices):
                card = CardKey(name, number // per_card)
                energy[card] = energy.get(card, 0) + power.microjoules_at(self.now)
        return energy

    def _service_energy(self, pods: Mapping[PodKey, int]) -> dict[ServiceKey, int]:
        energy = dict.fromkeys(self.services, 0)
        for key, microjoules in pods.items():
            replica = self.replicas.get(key)
            service = self._past_service.get(key) if replica is None else replica.pod.service
            if service is not None:
                energy[service] = energy.get(service, 0) + microjoules
        return energy

    def _work(self) -> dict[ServiceKey, Work]:
        work = {key: self._past_work.get(key, _NOTHING) for key in self.services}
        for replica in self.replicas.values():
            key = replica.pod.service
            if key is not None:
                work[key] = _sum_of(work.get(key, _NOTHING), replica.work_done())
        return work


def _sum_of(first: Work, second: Work) -> Work:
    return Work(
        first.arrived + second.arrived,
        first.served + second.served,
        first.waiting + second.waiting,
        first.refused + second.refused,
    )
