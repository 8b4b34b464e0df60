"""The client against a real API server: what kmock and a scripted server cannot tell."""

import asyncio
import contextlib

import pytest

from kwatt.cluster import paths
from kwatt.cluster.writes import Evict, JsonPatch, send
from kwatt.errors import Conflict, Missing, Refused
from kwatt.names import GATE

CONFIG_MAPS = paths.Kind("v1", "ConfigMap", "configmaps")


@pytest.fixture
def here(namespace):
    return lambda name: CONFIG_MAPS.named(name, namespace)


class TestApply:
    async def test_it_creates_and_an_equal_one_changes_nothing(self, client, config_map, here):
        first = await client.apply(here("a"), config_map("a", x="1"))
        second = await client.apply(here("a"), config_map("a", x="1"))

        assert first["metadata"]["managedFields"][0]["manager"] == "kwatt"
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    async def test_a_field_of_another_owner_is_taken_only_by_force(self, client, config_map, here):
        await client.apply(here("a"), config_map("a", x="1"))
        await client.merge_patch(here("a"), {"data": {"x": "2"}})

        with pytest.raises(Conflict, match=r"conflict with .*\.data\.x"):
            await client.apply(here("a"), config_map("a", x="3"), force=False)

        assert (await client.apply(here("a"), config_map("a", x="3")))["data"] == {"x": "3"}

    async def test_a_dry_run_leaves_nothing(self, client, config_map, here):
        answer = await client.apply(here("a"), config_map("a", x="1"), dry_run=True)

        assert answer["data"] == {"x": "1"}
        with pytest.raises(Missing, match="not found"):
            await client.get(here("a"))

    @pytest.mark.parametrize(("field", "value"), [("dtaa", {}), ("data", {"x": {"no": "map"}})])
    async def test_an_unreadable_manifest_is_refused_with_the_field(
        self, client, config_map, here, field, value
    ):
        with pytest.raises(Refused, match=field):
            await client.apply(here("a"), {**config_map("a"), field: value})

    async def test_every_character_that_json_knows_arrives(self, client, config_map, here):
        text = (
            '\U0001f469\u200d\U0001f527 도시 \\ud83d \x7f \x80 \x85 \u2028 \ufeff \uffff \t\n" end'
        )

        answer = await client.apply(here("a"), config_map("a", x=text))

        assert answer["data"] == {"x": text}

    async def test_a_namespace_that_is_gone_is_missing(self, client, config_map):
        body = config_map("a") | {"metadata": {"name": "a", "namespace": "nowhere"}}

        with pytest.raises(Missing, match='namespaces "nowhere" not found'):
            await client.apply(CONFIG_MAPS.named("a", "nowhere"), body)


class TestPreconditions:
    async def test_only_the_very_object_is_deleted(self, client, config_map, here):
        body = await client.apply(here("a"), config_map("a"))

        with pytest.raises(Conflict, match="UID in the precondition"):
            await client.delete(here("a"), uid="11111111-1111-1111-1111-111111111111")
        with pytest.raises(Conflict, match="ResourceVersion in the precondition"):
            await client.delete(here("a"), uid=body["metadata"]["uid"], resource_version="1")
        await client.delete(here("a"), uid=body["metadata"]["uid"])

        with pytest.raises(Missing):
            await client.get(here("a"))

    async def test_a_json_patch_with_an_old_version_is_a_conflict(self, client, config_map, here):
        await client.apply(here("a"), config_map("a", x="1"))
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}

        with pytest.raises(Conflict, match="the object has changed"):
            await client.json_patch(
                here("a"), [test, {"op": "replace", "path": "/data/x", "value": "2"}]
            )

    async def test_a_stale_replace_is_a_conflict(self, client, config_map, here):
        old = await client.apply(here("a"), config_map("a", x="1"))
        await client.apply(here("a"), config_map("a", x="2"))

        with pytest.raises(Conflict, match="modified"):
            await client.replace(here("a"), old)

    async def test_creating_twice_is_a_conflict(self, client, config_map, namespace):
        await client.create(CONFIG_MAPS.within(namespace), config_map("a"))

        with pytest.raises(Conflict, match="already exists"):
            await client.create(CONFIG_MAPS.within(namespace), config_map("a"))


class TestPods:
    @pytest.fixture
    async def pod(self, client, namespace):
        await _service_account(client, namespace)
        spec = {
            "schedulingGates": [{"name": GATE}],
            "containers": [{"name": "c", "image": "kwatt.local/none"}],
        }
        body = {"metadata": {"name": "p", "namespace": namespace}, "spec": spec}
        return await client.create(paths.PODS.within(namespace), body)

    async def test_one_patch_pins_a_gated_pod_and_opens_its_gate(self, client, namespace, pod):
        version = pod["metadata"]["resourceVersion"]
        ops = (
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/spec/nodeSelector", "value": {"kubernetes.io/hostname": "n"}},
            {"op": "remove", "path": "/spec/schedulingGates/0"},
        )

        answer = await send(client, JsonPatch(paths.PODS.named("p", namespace), ops))

        assert not answer["spec"].get("schedulingGates")
        assert answer["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "n"}

    async def test_an_evicted_pod_is_gone_and_evicting_it_again_is_no_error(
        self, client, namespace, pod
    ):
        eviction = Evict(namespace, "p", pod["metadata"]["uid"])

        await send(client, eviction)

        with pytest.raises(Missing):
            await client.get(paths.PODS.named("p", namespace))
        assert await send(client, eviction) == {}


class TestReading:
    async def test_a_long_list_comes_in_pages_of_one_version(self, client, config_map, namespace):
        for n in range(7):
            await client.create(CONFIG_MAPS.within(namespace), config_map(f"c{n}"))

        path = CONFIG_MAPS.within(namespace)
        pages = [page async for page in client.list_pages(path, limit=3)]

        names = [
            i["metadata"]["name"] for p in pages for i in p.items if "c" in i["metadata"]["name"]
        ]
        assert {f"c{n}" for n in range(7)} <= set(names)
        assert len({page.version for page in pages}) == 1
        assert {item["kind"] for page in pages for item in page.items} == {"ConfigMap"}

    async def test_an_object_of_a_megabyte_fits_into_a_watch(
        self, client, config_map, namespace, here
    ):
        (page,) = [page async for page in client.list_pages(CONFIG_MAPS.within(namespace))]
        await client.create(CONFIG_MAPS.within(namespace), config_map("big", x="x" * 1_000_000))

        events = client.watch(here("").rstrip("/"), page.version, 5)
        async with contextlib.aclosing(events):
            found = [event async for event in _until_name(events, "big")]

        assert len(found[-1].body["data"]["x"]) == 1_000_000

    async def test_a_kind_that_is_not_installed_is_missing(self, client):
        with pytest.raises(Missing):
            await client.get("/apis/kwatt.example/v1/nothings")


async def _service_account(client, namespace):
    """The API server takes pods only once a controller has made the account for them."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Missing):
                return await client.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
            await asyncio.sleep(0.05)


async def _until_name(events, name):
    async for event in events:
        yield event
        if event.body["metadata"].get("name") == name:
            return
