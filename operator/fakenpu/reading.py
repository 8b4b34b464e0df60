"""What the exporters and runtimes of a world say at this instant: links world and exposition. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakenpu.exposition.readings import Device, NodeReading
from fakenpu.exposition.runtimes import Engine, RuntimeReading, runtime_text, whole_units
from fakenpu.faults import Faults
from fakenpu.keys import PodKey
from fakenpu.meter import Work
from fakenpu.pods import Service
from fakenpu.quantities import MILLI, BadInput
from fakenpu.replica import Replica
from fakenpu.shares import even_shares

if TYPE_CHECKING:
    from fakenpu.world import World


def node_reading(world: World, name: str) -> NodeReading:
    """Return what a node's exporter knows now; raise BadInput for a node that is not known."""
    if name not in world.nodes:
        raise BadInput(f"node {name}: not known")
    node, faults = world.nodes[name], world.faults_of(name)
    frozen = world.frozen(name)
    at = read_at(world.now, node.product.refresh) if frozen is None else frozen.at
    per_card = node.product.devices_per_card
    drawn = frozen.milliwatts if frozen else tuple(
        world.fleet.milliwatts(name, number, at) for number in range(node.devices)
    )  # fmt: skip
    devices = tuple(
        Device(
            number=number,
            card=number // per_card,
            milliwatts=sum(drawn[number // per_card * per_card :][:per_card]),
            busy_percent=_busy(world, name, number, at),
            pod=world.fleet.holder(name, number, at),
        )
        for number in range(node.devices)
    )
    return NodeReading(node, devices, faults, at, _timestamp(world, faults))


def runtime_exposition(world: World, key: PodKey) -> str:
    """Return what a pod's runtime writes now; raise BadInput for a pod that serves nothing."""
    replica = world.replicas.get(key)
    service = world.services.get(replica.pod.service) if replica and replica.pod.service else None
    if replica is None or service is None:
        raise BadInput(f"pod {'/'.join(key)}: not known, or of no known service")
    faults, frozen = world.faults_of(key), world.frozen(key)
    work = frozen.work if frozen and frozen.work else replica.work_done()
    engines = _engines(replica, work, service)
    text = runtime_text(RuntimeReading(service, engines, faults, _timestamp(world, faults)))
    if faults.resets_each_scrape:
        world.restart_counters(key)
    return text


def read_at(now: int, refresh: int) -> int:
    """Return when an exporter last read its cards: at whole multiples of `refresh`, or now where it is 0."""
    return now - now % refresh if refresh else now


def _busy(world: World, node: str, number: int, at: int) -> float:
    pod = world.fleet.holder(node, number, at)
    replica = None if pod is None else world.replicas.get(pod.key)
    if replica is None or not replica.capacity:
        return 0.0
    return round(100 * replica.rate / replica.capacity, 2)


def _engines(replica: Replica, work: Work, service: Service) -> tuple[Engine, ...]:
    count = service.engines
    units = even_shares(whole_units(work.served - replica.base), count)
    waiting = even_shares(-(-whole_units(work.waiting) // service.units_per_request), count)
    arrived = whole_units(work.arrived - work.refused - replica.base)
    received = even_shares(arrived, count)
    running = replica.curve.concurrency_at(replica.rate) if replica.curve else 0
    return tuple(
        Engine(
            name=str(number),
            units=units[number],
            requests=units[number] // service.units_per_request,
            arrived=received[number],
            arrived_requests=received[number] // service.units_per_request,
            running=even_shares(running, count)[number],
            waiting=waiting[number],
        )
        for number in range(count)
    )


def _timestamp(world: World, faults: Faults) -> int | None:
    offset = faults.timestamp_offset_seconds
    return None if offset is None else world.epoch + world.now + round(offset * MILLI)
