"""What the operator writes when nothing happens, and when it is started over a cluster that has not changed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench import audit
from bench.ground import Ground, cycle_seconds, say, settle, wait_for_cycle
from bench.processes import Memory, cpu_seconds, memory
from e2e.harness import Operator

AFTER_RESTART_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Idle:
    """What was written in a span without any change."""

    seconds: float
    writes: dict[str, int]
    rehearsals: int
    leases: int
    cpu_seconds: float
    cycles: int
    memory: Memory


@dataclass(frozen=True, slots=True)
class Restart:
    """What was written after a start over an unchanged cluster."""

    writes: dict[str, int]
    rehearsals: int
    ready_seconds: float
    cpu_seconds: float


def stay_idle(on: Ground, operator: Operator, seconds: float) -> Idle:
    """Wait, and count what was written meanwhile."""
    settle(on)
    say(f"idle: counting writes for {seconds:.0f} s")
    begun, used, cycles = time.time(), cpu_seconds(operator.pid), _cycles(operator)
    time.sleep(seconds)
    writes = on.audit.by_operator(begun)
    leases = [w for w in on.audit.writes(begun) if w.resource == "leases"]
    return Idle(
        seconds=seconds,
        writes=audit.tally(audit.real(writes)),
        rehearsals=sum(write.rehearsal for write in writes),
        leases=len(leases),
        cpu_seconds=cpu_seconds(operator.pid) - used,
        cycles=_cycles(operator) - cycles,
        memory=memory(operator.pid),
    )


def restart(on: Ground, operator: Operator) -> Restart:
    """Stop the operator as a rollout would, start it again and count what it writes."""
    settle(on)
    operator.stop()
    begun = time.time()
    operator.start()
    wait_for_cycle(operator)
    ready = time.time() - begun
    time.sleep(AFTER_RESTART_SECONDS)
    writes = on.audit.by_operator(begun)
    found = Restart(
        writes=audit.tally(audit.real(writes)),
        rehearsals=sum(write.rehearsal for write in writes),
        ready_seconds=ready,
        cpu_seconds=cpu_seconds(operator.pid),
    )
    say(f"restart: first cycle after {ready:.1f} s, {sum(found.writes.values())} writes")
    return found


def _cycles(operator: Operator) -> int:
    return cycle_seconds(operator).get("plan", (0.0, 0))[1]
