"""The trigger debounces pokes."""

from __future__ import annotations

import asyncio

from kwatt.reconciler.trigger import Trigger


async def test_many_pokes_wake_the_loop_once() -> None:
    trigger = Trigger(quiet_seconds=0.01, longest_seconds=0.1)
    for _ in range(100):
        trigger.poke()

    assert await trigger.wait(1)
    assert not await trigger.wait(0.01)


async def test_nothing_happening_returns_when_the_time_is_over() -> None:
    assert not await Trigger().wait(0.01)


async def test_a_storm_without_quiet_does_not_hold_the_loop_up_for_ever() -> None:
    trigger = Trigger(quiet_seconds=0.05, longest_seconds=0.1)

    async def storm() -> None:
        while True:
            trigger.poke()
            await asyncio.sleep(0)

    task = asyncio.create_task(storm())
    async with asyncio.timeout(5):
        assert await trigger.wait(1)
    task.cancel()


async def test_a_poke_during_a_cycle_is_not_lost() -> None:
    trigger = Trigger(quiet_seconds=0.01, longest_seconds=0.1)
    trigger.poke()
    await trigger.wait(1)
    trigger.poke()

    assert await trigger.wait(1)


async def test_own_writes_wake_the_loop_but_are_no_news() -> None:
    trigger = Trigger(quiet_seconds=0.01, longest_seconds=0.1)
    trigger.poke()
    trigger.poke(news=False)

    assert trigger.news == 1
    assert await trigger.wait(1)
