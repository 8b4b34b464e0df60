"""When the liveness probe is answered with a failure."""

from __future__ import annotations

from typing import Any

from kwatt.metrics import Metrics
from kwatt.reconciler.loop import Loop
from kwatt.reconciler.pulse import Pulse
from kwatt.reconciler.trigger import Trigger


def test_a_loop_that_neither_turns_nor_writes_for_two_minutes_is_not_alive() -> None:
    now = 1000.0
    pulse = Pulse(lambda: now)
    unused: Any = None
    loop = Loop(unused, Trigger(), unused, {}, Metrics(), pulse)

    now += 119.0
    assert loop.alive() is None
    pulse.beat()
    now += 119.0
    assert loop.alive() is None
    now += 2.0
    assert loop.alive() == "the loop has neither turned nor written anything for 121 s"
