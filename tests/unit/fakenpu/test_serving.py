"""Over HTTP: paths, control, and answers that are no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from fakenpu.clock import Clock
from fakenpu.serving import application, node_application
from unit.fakenpu.worlds import one_pod_world

Client = TestClient[Any, Any]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A stopped clock: time passes when a test says so."""
    clock = Clock(one_pod_world("furiosa-rngd", 150), scale=0)
    async with TestClient(TestServer(application(clock))) as client:
        yield client


async def put(client: Client, path: str, body: dict[str, Any]) -> int:
    async with client.put(f"/control/{path}", json=body) as answer:
        return answer.status


async def test_nodes_and_pods_have_paths_of_their_own(client: Client) -> None:
    node = await client.get("/nodes/n/metrics")
    pod = await client.get("/pods/team/pod-1/metrics")

    assert node.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'furiosa_npu_hw_power{arch="rngd"' in await node.text()
    assert "served_total 0.0" in await pod.text()
    assert (await client.get("/nodes/other/metrics")).status == 404


async def test_a_node_has_a_port_of_its_own() -> None:
    clock = Clock(one_pod_world("furiosa-rngd", 150), scale=0)
    async with TestClient(TestServer(node_application(clock, "n"))) as client:
        assert "furiosa_npu_hw_power" in await (await client.get("/metrics")).text()
        assert (await client.get("/control/meter")).status == 404


async def test_load_faults_pods_and_time_are_set_at_run_time(client: Client) -> None:
    assert await put(client, "loads/team/service", {"shape": "Constant", "perSecond": 200}) == 204
    assert await put(client, "faults/n", {"factor": 2}) == 204
    pod = {"node": "n", "npuClass": "furiosa-rngd", "service": "service"}
    assert await put(client, "pods/team/pod-2", pod) == 204
    async with client.post("/control/advance", json={"seconds": 10}) as answer:
        assert answer.status == 204

    text = await (await client.get("/nodes/n/metrics")).text()
    meter = await (await client.get("/control/meter")).json()

    assert (
        text.count("} 80\n") == 2
    )  # 100 units a second each draw 40 W, the exporter says twice that
    assert meter["microjoules"]["pods"] == {"team/pod-1": 400_000_000, "team/pod-2": 400_000_000}
    assert meter["work"]["team/service"]["served"] == 2_000


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("faults/n", {"factr": 2}, "factr: Extra inputs"),
        ("faults/other", {}, "not known as a node or namespace/pod"),
        ("loads/team/service", {"shape": "Sine"}, "Constant"),
        ("loads/team/other", {"shape": "Constant", "perSecond": 1}, "not known"),
        ("pods/team/pod-9", {"node": "n", "npuClass": "c", "npus": 9}, "has not 9"),
        ("clock", {"scale": -1}, "scale"),
    ],
)
async def test_bad_control_is_refused_with_a_sentence(
    client: Client, path: str, body: dict[str, Any], sentence: str
) -> None:
    async with client.put(f"/control/{path}", json=body) as answer:
        assert answer.status in (400, 404)
        assert sentence in await answer.text()


async def test_an_answer_can_be_a_redirect_an_error_or_a_page(client: Client) -> None:
    await put(client, "faults/n", {"redirect": "http://127.0.0.2:1/"})
    assert (await client.get("/nodes/n/metrics", allow_redirects=False)).status == 302
    await put(client, "faults/n", {"status": 503})
    assert (await client.get("/nodes/n/metrics")).status == 503
    await put(client, "faults/n", {"html": True})
    assert (await client.get("/nodes/n/metrics")).content_type == "text/html"


async def test_an_answer_can_be_broken_text(client: Client) -> None:
    whole = await (await client.get("/nodes/n/metrics")).read()
    await put(client, "faults/n", {"invalidUtf8": True})
    invalid = await (await client.get("/nodes/n/metrics")).read()
    await put(client, "faults/n", {"truncated": True})
    truncated = await (await client.get("/nodes/n/metrics")).read()

    with pytest.raises(UnicodeDecodeError):
        invalid.decode()
    assert whole.startswith(truncated)
    assert not truncated.endswith(b"\n")


@pytest.mark.parametrize("faults", [{"bodyBytes": 50_000_000}, {"series": 1_000_000}])
async def test_an_answer_can_be_huge(client: Client, faults: dict[str, int]) -> None:
    await put(client, "faults/n", faults)

    async with client.get("/nodes/n/metrics") as answer:
        read = 0
        async for chunk in answer.content.iter_chunked(2**20):
            read += len(chunk)

    assert read > 20_000_000


async def test_an_answer_can_be_endless(client: Client) -> None:
    await put(client, "faults/n", {"endless": True})

    async with client.get("/nodes/n/metrics") as answer:
        for _ in range(200):
            assert await answer.content.readexactly(2**16)


async def test_an_exporter_can_be_silent_or_down(client: Client) -> None:
    await put(client, "faults/n", {"silenceSeconds": 60})
    with pytest.raises(asyncio.TimeoutError):
        await client.get("/nodes/n/metrics", timeout=aiohttp.ClientTimeout(total=0.2))
    await put(client, "faults/n", {"down": True})
    with pytest.raises(aiohttp.ClientError):
        await client.get("/nodes/n/metrics")
    async with client.delete("/control/faults/n") as answer:
        assert answer.status == 204

    assert (await client.get("/nodes/n/metrics")).status == 200


async def test_a_world_can_live_faster_than_the_machine(client: Client) -> None:
    await put(client, "clock", {"scale": 100_000})
    while (await (await client.get("/control/world")).json())["seconds"] < 3_600:
        pass  # the clock goes on with each request
    await put(client, "clock", {"scale": 0})

    meter = await (await client.get("/control/meter")).json()

    assert meter["microjoules"]["pods"]["team/pod-1"] == round(meter["seconds"] * 1_000) * 50_000
