"""A meter above its cap: replicas go within seconds, come back where there is room, a lost meter holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import watts
from kwatt.energy.excess import LOST_MS, Withholding, withhold
from kwatt.model.feedback import ExcessReason, Metered
from kwatt.units import NO_POWER, Power

STEP_MS = 15_000
BUDGET = Metered(
    cap=watts(6000),
    planned_cap=watts(6000),
    headroom=watts(500),
    sheddable=watts(4500),
    reach=watts(9000),
    sustained_ms=15_000,
    calm_ms=300_000,
    settle_ms=60_000,
)
FRESH = Withholding()
ABOVE = Withholding(watts(700), planned_cap=watts(6000))


def after(readings: Iterable[float | None], start: Withholding = FRESH) -> Withholding:
    state = start
    for number, reading in enumerate(readings):
        measured = None if reading is None else watts(reading)
        state = withhold(state, measured, BUDGET, number * STEP_MS)
    return state


def test_a_short_peak_takes_nothing_off() -> None:
    assert after([6300, 5900, 6300, 5900]).withheld == NO_POWER


def test_what_lasts_is_withheld_beyond_the_headroom_and_with_a_margin() -> None:
    state = after([6300, 6300])

    assert state.withheld == watts(500 + 300 + 120)
    assert state.excess.reason is ExcessReason.METER_ABOVE_CAP
    assert "the meter shows 6300 W, the cap is 6000 W" in state.excess.message


def test_the_next_step_waits_until_the_first_one_shows() -> None:
    assert after([6300] * 5).withheld == watts(920)
    assert after([6300] * 6).withheld > watts(920)


def test_never_more_is_withheld_than_can_be_switched_off() -> None:
    state = after([8900] * 1000)

    assert state.withheld == BUDGET.sheddable
    assert "nothing is left to switch off" in state.excess.message


def test_a_lower_cap_is_given_the_time_that_shedding_takes() -> None:
    state = after([5900])
    lower = replace(BUDGET, cap=watts(5000), planned_cap=watts(5000))
    for number in range(1, 5):
        state = withhold(state, watts(5900), lower, number * STEP_MS)

    assert state.withheld == NO_POWER


def test_what_the_meter_has_room_for_comes_back_after_it_was_calm() -> None:
    calm = [3000] * (BUDGET.calm_ms // STEP_MS)

    assert after(calm, ABOVE).withheld == watts(700)
    assert after([*calm, 3000], ABOVE).withheld == NO_POWER


def test_nothing_comes_back_that_the_meter_has_no_room_for() -> None:
    assert after([5500] * 1000, ABOVE).withheld == watts(700)


def test_a_meter_beyond_what_can_be_drawn_is_not_used() -> None:
    state = after([1_000_000] * 100, ABOVE)

    assert state.withheld == watts(700)
    assert state.excess.reason is ExcessReason.METER_IMPLAUSIBLE


def test_that_the_meter_is_lost_is_said_after_a_while() -> None:
    readings = LOST_MS // STEP_MS

    assert after([None] * readings, ABOVE).excess.reason is not ExcessReason.METER_LOST
    assert after([None] * (readings + 1), ABOVE).excess.reason is ExcessReason.METER_LOST


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 4500), st.integers(1, 200), st.lists(st.integers(0, 9000), max_size=20))
def test_a_lost_meter_neither_sheds_nor_frees(held: int, count: int, before: list[int]) -> None:
    state = after(before, Withholding(watts(held)))

    assert after([None] * count, state).withheld == state.withheld


@settings(deadline=None, max_examples=40)
@given(st.lists(st.none() | st.integers(0, 20_000), max_size=80))
def test_what_is_withheld_stays_within_its_bounds(readings: list[int | None]) -> None:
    state = after(readings)
    assert NO_POWER <= state.withheld <= BUDGET.sheddable


@dataclass
class Rack:
    """Replicas under one cap: each reserves 100 W and really draws `draw`; hosts draw `host` in secret."""

    draw: int
    host: int
    running: int = 40
    state: Withholding = field(default_factory=Withholding)
    changes: list[int] = field(default_factory=list)
    step: int = 0

    def live(self, steps: int, noise: Callable[[int], int]) -> None:
        """Let time pass: the planner runs what fits, the meter shows what is drawn."""
        for _ in range(steps):
            measured = Power((self.running * self.draw + self.host) * (1000 + noise(self.step)))
            self.state = withhold(self.state, measured, self.budget(), self.step * STEP_MS)
            fits = min(40, (watts(4000) - self.state.withheld).milliwatts // 100_000)
            if fits != self.running:
                self.changes.append(self.step)
            self.running = fits
            self.step += 1

    def budget(self) -> Metered:
        headroom = watts(4000) - self.state.withheld - watts(100 * self.running)
        return replace(
            BUDGET,
            cap=watts(4000),
            planned_cap=watts(4000),
            headroom=headroom,
            sheddable=watts(4000),
        )


@settings(deadline=None, max_examples=40)
@given(
    draw=st.integers(50, 130),
    host=st.integers(0, 1500),
    noise=st.lists(st.integers(-30, 30), min_size=7, max_size=101),
)
def test_a_constant_load_comes_to_rest_below_the_cap(
    draw: int, host: int, noise: list[int]
) -> None:
    rack = Rack(draw, host)

    rack.live(300, lambda step: noise[step % len(noise)])
    settled = len(rack.changes)
    rack.live(700, lambda step: noise[step % len(noise)])

    assert len(rack.changes) == settled
    assert rack.running == 0 or rack.running * draw + host <= 4000 * 1.03


def test_the_first_replicas_go_within_the_set_time() -> None:
    rack = Rack(draw=110, host=0)

    rack.live(10, lambda _: 0)

    assert rack.changes[0] * STEP_MS <= BUDGET.sustained_ms
    assert rack.running * rack.draw <= 4000
