"""Where long work is done, and that it leaves the garbage collector as it was."""

from __future__ import annotations

import gc
import threading

import pytest

from kwatt.reconciler.aside import aside


@pytest.mark.parametrize(("services", "in_a_thread"), [(49, False), (50, True)])
async def test_the_work_of_many_services_is_done_in_another_thread(
    services: int,
    in_a_thread: bool,
) -> None:
    where = await aside(services, threading.get_ident)

    assert (where != threading.get_ident()) is in_a_thread


async def test_the_garbage_collector_rests_meanwhile_and_works_again_after_a_failure() -> None:
    assert await aside(50, gc.isenabled) is False
    with pytest.raises(ZeroDivisionError):
        await aside(50, divmod, 1, 0)
    assert gc.isenabled()
