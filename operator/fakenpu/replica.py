"""One pod at work: its queue, what it serves, what it draws. Exact, in whole billionths of a unit."""

from __future__ import annotations

from fakenpu.curves import Curve
from fakenpu.integral import Integral
from fakenpu.meter import Work
from fakenpu.pods import Pod, Service
from fakenpu.quantities import MILLI
from fakenpu.shapes import NEVER


class Replica:
    """The state of a pod that holds devices. Amounts are billionths of a unit, rates millionths per second."""

    __slots__ = (
        "arrival", "arrived", "base", "curve", "devices", "idle", "pod", "power", "queue", "rate", "refused",
        "served", "since",
    )  # fmt: skip

    def __init__(self, pod: Pod, devices: tuple[int, ...], idle: int, now: int) -> None:
        self.pod = pod
        self.devices = devices
        self.idle = idle * len(devices)
        self.curve: Curve | None = None
        self.arrival = self.rate = 0
        self.arrived = self.served = self.queue = self.refused = 0
        self.base = 0  # of `served`, when its counters began
        self.since = now  # until then its work is counted
        self.power = Integral(now, self.idle)

    @property
    def capacity(self) -> int:
        """Return the most that it serves."""
        return self.curve.capacity if self.curve and self.pod.ready else 0

    def settle(self, arrival: int) -> None:
        """From now on `arrival` comes: work at capacity while anything waits, else at what comes."""
        self.arrival = arrival
        self.rate = self.capacity if self.queue else min(arrival, self.capacity)

    def drained_in(self) -> int:
        """Return the whole milliseconds after which the queue is empty."""
        if not self.queue or self.capacity <= self.arrival:
            return NEVER
        return -(-self.queue // (self.capacity - self.arrival))

    def work_until(self, now: int, service: Service | None) -> None:
        """Count the work until now; what comes and the capacity were the same since the last time."""
        elapsed, self.since = now - self.since, now
        if not elapsed:
            return
        come = self.arrival * elapsed
        done = min(self.queue + come, self.capacity * elapsed)
        self.arrived += come
        self.served += done
        self.queue += come - done
        limit = self.capacity * (service.queue_seconds if service else 0) * MILLI
        if self.queue > limit:
            self.refused += self.queue - limit
            self.queue = limit

    def work_done(self) -> Work:
        """Return what it was asked for, and what became of it."""
        return Work(self.arrived, self.served, self.queue, self.refused)

    def drop_queue(self) -> None:
        """Refuse all that waits: the pod is gone or not ready."""
        self.refused += self.queue
        self.queue = 0

    def draws(self, service: Service | None, maximum: int, now: int) -> int:
        """Return the milliwatts that its devices draw together."""
        if not self.pod.ready:
            return self.idle
        if service is None:
            return maximum * len(self.devices)
        if self.curve is None or (service.idle_at_rest and not self.rate):
            return self.idle
        return service.draw.applied(self.curve.milliwatts_at(self.rate), now)
