"""The devices of one resource and their health. It knows neither gRPC nor the kubelet."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MOST = 256  # of one resource on a node: more than any server holds
# As Kubernetes spells an extended resource: a domain, and a name of letters, digits, dot, dash, underscore.
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


class DeviceError(ValueError):
    """What was asked makes no sense; the message says what does."""


@dataclass(frozen=True, slots=True)
class Resource:
    """An extended resource and how many devices of it the node has."""

    name: str
    count: int

    @property
    def endpoint(self) -> str:
        """Return the file name of its socket in the kubelet's folder."""
        return f"fakenpu-{re.sub('[^a-z0-9]+', '-', self.name.lower())}.sock"

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of its devices in order, like `furiosa-rngd-0`: vendor, name, number."""
        domain, _, name = self.name.partition("/")
        stem = f"{domain.partition('.')[0]}-{name.lower()}"
        return tuple(f"{stem}-{number}" for number in range(self.count))


def parse(text: str) -> Resource:
    """Read `vendor.example/name=4`; raise DeviceError where it is none."""
    name, _, count = text.partition("=")
    if not NAME.fullmatch(name) or not count.isdecimal() or not 0 <= int(count) <= MOST:
        raise DeviceError(
            f"{text!r} is no resource: write DOMAIN/NAME=COUNT with a count from 0 to {MOST}, "
            "like furiosa.ai/rngd=4"
        )
    return Resource(name, int(count))


class Devices:
    """The devices of one resource; who watches them learns of every change of health."""

    def __init__(self, resource: Resource, unhealthy: Iterable[str] = ()) -> None:
        self.resource = resource
        self._unhealthy = frozenset(unhealthy) & frozenset(resource.ids)
        self._changed = threading.Condition()

    def states(self) -> dict[str, bool]:
        """Return every id and whether the device is healthy."""
        with self._changed:
            return self._now()

    def mark(self, ids: Iterable[str], *, healthy: bool) -> None:
        """Change the health of devices; raise DeviceError where an id is unknown."""
        chosen = frozenset(ids)
        if unknown := sorted(chosen - frozenset(self.resource.ids)):
            known = ", ".join(self.resource.ids) or "none"
            raise DeviceError(
                f"{self.resource.name} has no device {', '.join(unknown)}: it has {known}"
            )
        with self._changed:
            self._unhealthy = self._unhealthy - chosen if healthy else self._unhealthy | chosen
            self._changed.notify_all()

    def wake(self) -> None:
        """Let every watch look whether it is still wanted."""
        with self._changed:
            self._changed.notify_all()

    def watch(self, wanted: Callable[[], bool]) -> Iterator[dict[str, bool]]:
        """Yield the states now and after each change, as long as it is wanted."""
        told: dict[str, bool] = {}
        first = True
        while wanted():
            with self._changed:
                while wanted() and not first and self._now() == told:
                    self._changed.wait()
                told, first = self._now(), False
            if wanted():
                yield told

    def _now(self) -> dict[str, bool]:
        return {one: one not in self._unhealthy for one in self.resource.ids}


def preferred(available: Iterable[str], required: Iterable[str], size: int) -> tuple[str, ...]:
    """Return which devices to take: those that must be, then the lowest ids."""
    first = sorted(required, key=_place)
    rest = sorted(set(available) - set(first), key=_place)
    return tuple((first + rest)[:size])


def _place(one: str) -> tuple[str, int]:
    name, _, number = one.rpartition("-")
    return name, int(number) if number.isdecimal() else 0
