"""A plan with two variants of one service, made by hand, carried out on a real control plane.

The operator's own steps run in this process, each on a fresh look at the cluster; only the planner is left out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.cluster import Cluster
from cluster.crds import http_routes_crd
from e2e import worlds
from e2e.harness import REPO, Kubectl, eventually
from kwatt.changes.diff import diff
from kwatt.cluster import paths
from kwatt.cluster.access import load_access
from kwatt.cluster.client import Client
from kwatt.cluster.outbox import Outbox
from kwatt.manifests.deployments import deployment_name
from kwatt.metrics import Metrics
from kwatt.model.keys import ServiceKey, Variant
from kwatt.model.plan import Placement, Plan, Totals
from kwatt.model.snapshot import Snapshot
from kwatt.observation.observe import observe
from kwatt.reconciler.applying import Applier, Sent
from kwatt.reconciler.shares import Shares
from kwatt.reconciler.store import KINDS, Store
from kwatt.reconciler.trigger import Trigger
from kwatt.reconciler.writes import Scene
from kwatt.units import NO_POWER, Power, Throughput

pytestmark = pytest.mark.cluster

ONE, TWO = (Variant(name, worlds.RESOURCE, 1, "") for name in ("one", "two"))
NAMES = {variant: deployment_name("cam", variant) for variant in (ONE, TWO)}
NODES = {ONE: "n1", TWO: "n2"}
ROUTE = {"gateway": {"name": "public"}}
NO_TOTALS = Totals(*[NO_POWER] * 5, *[0] * 7)
COLLECTIONS = {kind.kind: kind for kind in (*paths.OWN, *paths.FOREIGN)}
ROUNDS = 200


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    """Lend kubectl on a cluster with two nodes, a class for each, and HTTPRoutes."""
    client = Kubectl(cluster)
    client("apply", "--server-side", "-f", str(http_routes_crd()), "-f", str(REPO / "crds"))
    eventually(lambda: client("wait", "--for=condition=Established", "crd", "--all"))
    client.apply_nodes(worlds.npu_node("n1"), worlds.npu_node("n2", product="two"))
    client.apply(worlds.npu_class("one"), worlds.npu_class("two"))
    client.apply(worlds.profile("model", worlds.point("one"), worlds.point("two")))
    yield client
    client("delete", "node", *NODES.values())
    client("delete", "npuclass", "one", "two")


@pytest.fixture
def team(kubectl: Kubectl) -> Iterator[str]:
    """Lend a namespace with the service."""
    name = f"mixed-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    kubectl.apply(worlds.service("cam", name, 400, route=ROUTE))
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client(await load_access(env={"KUBECONFIG": str(cluster.kubeconfig)})) as connected:
        yield connected


class Rounds:
    """Runs cycles with plans made by hand; every one begins with a fresh look at the cluster."""

    def __init__(self, client: Client, team: str) -> None:
        self._client = client
        self._team = team
        shares = Shares(lambda: 0.0, lambda: 1 << 62)
        self._applier = Applier(Outbox(client), shares, Metrics(), lambda kind, body: None)
        self.seen: list[Mapping[str, int]] = []

    async def until_quiet(self, replicas: Mapping[Variant, int], ready: Callable[[], bool]) -> None:
        """Carry out a plan until nothing is left to be written, and `ready` is true."""
        for _ in range(ROUNDS):
            sent = await self._once(replicas)
            if not sent.writes and ready():
                return
            await asyncio.sleep(0.1)  # the pace of looking; the number of rounds is the deadline
        raise AssertionError(f"not quiet after {ROUNDS} rounds; weights were {self.seen[-5:]}")

    async def _once(self, replicas: Mapping[Variant, int]) -> Sent:
        store = await self._look()
        snapshot = observe(store.world({}), datetime.now(UTC)).snapshot
        advertised = {n.name: n.advertised_watts or 0 for n in snapshot.nodes}
        changes = diff(snapshot, self._plan(replicas), advertised)
        self.seen += [{NAMES[v]: w for v, w in split.weights} for split in changes.splits]
        return await self._applier.apply(changes, self._scene(store, snapshot), lambda: True)

    async def _look(self) -> Store:
        store = Store(Trigger())
        store.note_routes(True)
        for kind in KINDS:
            selector = "kwatt.dev/service" if kind in ("Service", "HTTPRoute") else None
            path = COLLECTIONS[kind].everywhere()
            async for page in self._client.list_pages(path, labelSelector=selector):
                for body in page.items:
                    store.take(kind, "ADDED", body)
        return store

    def _scene(self, store: Store, snapshot: Snapshot) -> Scene:
        owners = {ServiceKey(o.namespace, o.name): o for o in store.own("InferenceService")}
        left = self._applier.generations
        return Scene(snapshot, owners, store.services(), left, store.routes())

    def _plan(self, replicas: Mapping[Variant, int]) -> Plan:
        rows = [self._row(variant, count) for variant, count in replicas.items()]
        return Plan(tuple(rows), (), (), NO_TOTALS, "")

    def _row(self, variant: Variant, count: int) -> Placement:
        """Place replicas that do 100 a second at 60 W."""
        rate, power = Throughput(100 * count * 10**6), Power(60_000 * count)
        key = ServiceKey(self._team, "cam")
        return Placement(key, variant, "at-100", NODES[variant], count, rate, power, power)


async def test_two_variants_run_at_once_and_one_of_them_goes_again(
    kubectl: Kubectl, team: str, client: Client
) -> None:
    def where() -> list[str]:
        pods = kubectl.items("pods", "-n", team)
        return sorted(pod["spec"].get("nodeName", "") for pod in pods if is_ready(pod))

    def is_ready(pod: dict[str, Any]) -> bool:
        conditions = pod["status"].get("conditions") or ()
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def weights() -> dict[str, int]:
        spec = kubectl.get("httproute", "cam", "-n", team)["spec"]
        return {ref["name"]: ref["weight"] for ref in spec["rules"][0]["backendRefs"]}

    def services() -> set[str]:
        return {one["metadata"]["name"] for one in kubectl.items("services", "-n", team)}

    rounds = Rounds(client, team)

    await rounds.until_quiet(
        {ONE: 3, TWO: 1},
        lambda: where() == ["n1", "n1", "n1", "n2"] and weights()[NAMES[TWO]] == 250,
    )

    assert weights() == {NAMES[ONE]: 750, NAMES[TWO]: 250}
    assert services() == {"cam", *NAMES.values()}

    rounds.seen.clear()
    await rounds.until_quiet({ONE: 4}, lambda: where() == ["n1"] * 4)

    assert rounds.seen[0] == {NAMES[ONE]: 1000}
    assert weights() == {NAMES[ONE]: 1000}
    assert services() == {"cam", NAMES[ONE]}
    assert len(kubectl.items("deployments", "-n", team)) == 1
