"""The cards of all nodes: what each device draws, and which pod holds it, now and lately. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fakenpu.integral import REMEMBERED, Integral
from fakenpu.keys import CardKey
from fakenpu.pods import Node, Pod
from fakenpu.shares import even_shares


@dataclass(slots=True)
class _Device:
    power: Integral
    holders: deque[tuple[int, Pod | None]] = field(default_factory=lambda: deque([(0, None)]))

    def hold(self, now: int, pod: Pod | None) -> None:
        self.holders.append((now, pod))
        while len(self.holders) > 1 and self.holders[1][0] < now - REMEMBERED:
            self.holders.popleft()

    def holder_at(self, instant: int) -> Pod | None:
        for since, pod in reversed(self.holders):
            if since <= instant:
                return pod
        return None


class Fleet:
    """Nodes and their devices. Instants are milliseconds since the world began."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._devices: dict[str, list[_Device]] = {}

    def add(self, node: Node, now: int) -> None:
        """Add a node, or take its new settings; the number of its devices stays."""
        known = self.nodes.get(node.name)
        self.nodes[node.name] = node if known is None else replace(node, devices=known.devices)
        if known is None:
            idle = node.product.idle
            self._devices[node.name] = [_Device(Integral(now, idle)) for _ in range(node.devices)]

    def free(self, node: str, count: int) -> tuple[int, ...] | None:
        """Return the first `count` devices that nobody holds, None where there are not so many."""
        devices = self._devices.get(node, ())
        free = [number for number, device in enumerate(devices) if device.holders[-1][1] is None]
        return tuple(free[:count]) if 0 < count <= len(free) else None

    def hold(self, devices: Iterable[int], pod: Pod, now: int) -> None:
        """From now on the pod holds devices of its node."""
        for number in devices:
            self._devices[pod.node][number].hold(now, pod)

    def let_go(self, node: str, devices: Iterable[int], now: int) -> None:
        """From now on nobody holds devices of a node: they draw idle."""
        for number in devices:
            device = self._devices[node][number]
            device.hold(now, None)
            device.power.change(now, self.nodes[node].product.idle)

    def draw(self, node: str, devices: tuple[int, ...], milliwatts: int, now: int) -> None:
        """From now on devices of a node draw so much together, evenly split."""
        for number, share in zip(devices, even_shares(milliwatts, len(devices)), strict=True):
            self._devices[node][number].power.change(now, share)

    def milliwatts(self, node: str, number: int, instant: int) -> int:
        """Return what a device draws at an instant of the last two minutes."""
        return self._devices[node][number].power.milliwatts_at(instant)

    def holder(self, node: str, number: int, instant: int) -> Pod | None:
        """Return the pod that holds a device at an instant of the last two minutes."""
        return self._devices[node][number].holder_at(instant)

    def card_energy(self, now: int) -> dict[CardKey, int]:
        """Return the microjoules of each card until now."""
        energy: dict[CardKey, int] = {}
        for name, devices in self._devices.items():
            per_card = self.nodes[name].product.devices_per_card
            for number, device in enumerate(devices):
                card = CardKey(name, number // per_card)
                energy[card] = energy.get(card, 0) + device.power.microjoules_at(now)
        return energy
