"""A real control plane for the tests of the Kubernetes I/O, and a wire that can be cut."""

import asyncio
import contextlib
import copy
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.client import Configuration

from cluster import cluster as clusters
from cluster import tools
from kwatt.cluster.access import load_access
from kwatt.cluster.client import Client
from kwatt.cluster.paths import Kind

CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps")
NAMESPACES = Kind("v1", "Namespace", "namespaces", namespaced=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[clusters.Cluster]:
    folder = tools.cache_root() / f"tools-{tools.pins_hash()}" / "bin"
    if tools.absent(folder, tools.CLUSTER):
        pytest.skip("the control plane is not built: python tests/cluster/tools.py ensure")
    with clusters.cluster() as running:
        yield running


@pytest.fixture
async def access(control_plane) -> Configuration:
    return await load_access(env={"KUBECONFIG": str(control_plane.kubeconfig)})


@pytest.fixture
async def client(access) -> AsyncIterator[Client]:
    async with Client(access) as connected:
        yield connected


@pytest.fixture
async def namespace(client) -> str:
    """A namespace of its own for each test; the control plane goes away with all of them."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES.everywhere(), {"metadata": {"name": name}})
    return name


@pytest.fixture
def config_map(namespace) -> Callable[..., dict]:
    def build(name: str, **data: str) -> dict:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    return build


class Wire:
    """A TCP relay on loopback: what it carries can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._whole = True

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._whole = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._whole = True

    async def stop(self) -> None:
        self.cut()
        self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            if not self._whole:
                raise ConnectionResetError
            there, back = await asyncio.open_connection(*self._target)
            self._writers.add(back)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@pytest.fixture
async def wire(control_plane) -> AsyncIterator[Wire]:
    address = urlsplit(control_plane.url)
    wire = Wire(address.hostname, address.port)
    yield wire
    await wire.stop()


@pytest.fixture
async def wired(access, wire) -> AsyncIterator[Client]:
    """A client whose connections all go over the wire."""
    configuration = copy.deepcopy(access)
    configuration.host = f"https://127.0.0.1:{await wire.start()}"
    async with Client(configuration) as connected:
        yield connected


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    async def wait(condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait for a condition, with a deadline."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # any condition, not one that sets an event
                await asyncio.sleep(0.02)

    return wait
