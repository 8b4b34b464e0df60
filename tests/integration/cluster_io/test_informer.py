"""The informer against a real API server whose history is lost."""

import asyncio
import contextlib

import pytest

from cluster import cluster as clusters
from kwatt.cluster.backoff import Backoff
from kwatt.cluster.informer import Informer, Pace
from kwatt.cluster.paths import Kind

CONFIG_MAPS = Kind("v1", "ConfigMap", "configmaps")
QUICK = Pace(list_seconds=300, backoff=Backoff(first=0.2, cap=1), page=10)


class Store:
    def __init__(self) -> None:
        self.data: dict[str, dict] = {}
        self.forgotten: list[str] = []

    def take(self, event_type: str, body: dict) -> None:
        if event_type == "DELETED":
            self.data.pop(body["metadata"]["uid"], None)
        else:
            self.data[body["metadata"]["uid"]] = body["data"]

    def forget(self, uid: str) -> None:
        self.forgotten.append(uid)
        self.data.pop(uid, None)


@pytest.fixture
async def run():
    tasks = []

    def start(informer: Informer) -> Informer:
        tasks.append(asyncio.create_task(informer.run()))
        return informer

    yield start
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_deletions_in_a_lost_history_are_found(
    control_plane, client, wire, wired, namespace, config_map, until, run
):
    """Killed API server, 10 of 30 objects deleted while the watch was down: kopf keeps them for ever."""
    path, selector = CONFIG_MAPS.within(namespace), "test=informer"
    store, neighbour = Store(), Store()

    def labelled(name: str, **data: str) -> dict:
        body = config_map(name, **data)
        body["metadata"]["labels"] = {"test": "informer"}
        return body

    made = [await client.create(path, labelled(f"c{n:02}", x="old")) for n in range(30)]
    informer = run(Informer(wired, path, store, selector=selector, pace=QUICK))
    steady = run(Informer(client, path, neighbour, selector=selector, pace=QUICK))
    await until(lambda: len(store.data) == 30)
    await until(steady.synced.is_set)

    wire.cut()
    for body in made[:10]:
        metadata = body["metadata"]
        await client.delete(CONFIG_MAPS.named(metadata["name"], namespace), uid=metadata["uid"])
    await client.apply(CONFIG_MAPS.named("c20", namespace), labelled("c20", x="new"))
    await client.create(path, labelled("c30", x="added"))
    await until(lambda: len(neighbour.data) == 21)
    clusters.stop_apiserver(control_plane.name)
    await asyncio.to_thread(clusters.start_apiserver, control_plane.name)
    wire.mend()

    await until(lambda: len(store.data) == 21)
    values = sorted(data["x"] for data in store.data.values())
    assert values == ["added", "new", *["old"] * 19]
    assert store.forgotten == [body["metadata"]["uid"] for body in made[:10]]
    await client.create(path, labelled("c31", x="after"))
    await until(lambda: len(store.data) == 22 and neighbour.data == store.data)
    assert neighbour.forgotten == []
    assert informer.synced.is_set()


async def test_an_object_whose_label_goes_leaves_and_comes_back(
    client, namespace, config_map, until, run
):
    store, name = Store(), CONFIG_MAPS.named("a", namespace)
    run(Informer(client, CONFIG_MAPS.within(namespace), store, selector="on", pace=QUICK))
    await client.create(CONFIG_MAPS.within(namespace), config_map("a", x="1"))

    for label in ("yes", None, "yes"):
        await client.merge_patch(name, {"metadata": {"labels": {"on": label}}})
        await until(lambda label=label: bool(store.data) == bool(label))
