"""The programs beside `fakenpu run`: the stand-in for a model server, and the client that sets loads."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from fakenpu.clock import Clock
from fakenpu.load import main
from fakenpu.quantities import BadInput
from fakenpu.server import server_of
from fakenpu.serving import application
from fakenpu.world import World
from unit.fakenpu.worlds import MICRO, SERVICE, one_pod_world


@pytest.fixture
def stand_in() -> Iterator[str]:
    """Serve as in a pod whose arguments are those of a real model server."""
    argv = ["serve", "llama", "--host", "127.0.0.1", "--port", "0", "--runtime", "vllm"]
    with server_of([*argv, "--model", "llama", "--tensor-parallel-size=2"]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_stand_in_is_healthy_and_counts(stand_in: str) -> None:
    assert get(f"{stand_in}/") == get(f"{stand_in}/health") == "ok\n"
    assert 'vllm:generation_tokens_total{engine="0",model_name="llama"} 0' in get(
        f"{stand_in}/metrics"
    )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{stand_in}/v2")


Running = tuple[World, str]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    world = one_pod_world("furiosa-rngd", 0)
    async with TestServer(application(Clock(world, scale=0))) as server:
        yield world, str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    ("arguments", "rates"),
    [
        (["--constant", "7"], [7, 7]),
        (["--steps", "0:1", "60:2"], [1, 2]),
        (["--diurnal", "0", "10", "--period", "120"], [0, 10]),
    ],
)
async def test_loads_are_set_from_the_command_line(
    running: Running, arguments: list[str], rates: list[int]
) -> None:
    world, url = running

    await asyncio.to_thread(main, ["/".join(SERVICE), "--url", url, *arguments])

    demand = world.services[SERVICE].demand
    assert [demand.rate_at(second * 1_000) for second in (0, 60)] == [
        rate * MICRO for rate in rates
    ]


async def test_a_scenario_sets_all_its_services(running: Running) -> None:
    world, url = running
    file = Path(__file__).parents[3] / "examples" / "load" / "day.scenario"

    await asyncio.to_thread(main, ["-f", str(file), "--url", url])

    assert {key.name for key in world.services} > {"assistant", "traffic-control"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a/b", "--constant", "1"], "service a/b: not known"),
        (["a/b", "--steps", "1"], "SECOND:RATE"),
    ],
)
async def test_what_is_refused_is_said(
    running: Running, arguments: list[Any], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        await asyncio.to_thread(main, [*arguments, "--url", running[1]])
