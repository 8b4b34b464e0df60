"""The operator's own life: two of them, killed ones, restarts, idleness, and a lost API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster import cluster as local
from e2e import deployed, worlds
from e2e.harness import Body, Operator, World, always, eventually

pytestmark = pytest.mark.cluster
KINDS = (
    "inferenceservices,powerbudgets,npuclasses,modelprofiles,deployments,replicasets,pods,services"
)


@pytest.fixture
def busy(world: World, operator: Operator) -> World:
    """Lend a rack at its cap, with a service that is served in part and one that is not."""
    world.apply(worlds.npu_node("n1"), worlds.npu_class(), worlds.profile())
    world.apply(worlds.budget("rack-a1", 140), worlds.service("cam", world.team, 300))
    world.apply(worlds.service("late", world.team, 200, model="unknown"))
    world.runs("cam", "n1", "n1")
    world.explains("cam", "Placed", "PowerBudgetExceeded")
    return world


def more(team: str) -> list[Body]:
    """Return a node of another class, and a service for it."""
    profile = worlds.profile("second", worlds.point("two"))
    service = worlds.service("new", team, 200, model="second")
    node = worlds.npu_node("n2", rack="a2", product="two")
    return [node, worlds.npu_class("two"), profile, service]


@pytest.fixture
def other(operator: Operator, world: World) -> Iterator[Operator]:
    """Run a second operator beside the first."""
    second = Operator(world.kubectl.cluster, "second").start()
    eventually(lambda: "synced" in second.text())
    yield second
    second.stop()
    print(second.text())


def holder(world: World) -> str:
    """Return who holds the Lease."""
    lease = world.kubectl.get("lease", "kwatt", "-n", "kwatt-system")
    return str(lease["spec"].get("holderIdentity") or "")


def versions(world: World) -> dict[str, str]:
    """Return what a write would change, by object; of nodes the status without its heartbeat."""
    found = {
        _name(one): one["metadata"]["resourceVersion"]
        for one in world.kubectl.items(KINDS, "-A")
        if one["metadata"].get("namespace") not in deployed.NOT_TENANTS
    }
    for node in world.kubectl.items("nodes"):
        found[_name(node)] = str([node["status"]["allocatable"], node["metadata"]["labels"]])
    return found


def _name(body: Body) -> str:
    metadata = body["metadata"]
    return f"{body['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def test_a_restart_over_an_unchanged_cluster_and_idleness_write_nothing(
    busy: World, operator: Operator
) -> None:
    eventually(lambda: busy.service("cam")["status"]["summary"]["replicas"] == "2/2")
    busy.counts("rack-a1", headroomWatts="0", plannedWatts="120")
    before = versions(busy)

    assert operator.stop() == 0
    assert holder(busy) == ""
    operator.start()
    eventually(lambda: operator.text().rpartition("starting")[2].count("cycle plan=") == 1)

    always(lambda: operator.writes() == 0, 20, "writes while nothing changed")
    assert versions(busy) == before


@pytest.mark.local("kills a process without warning; the API can only ask it to end")
def test_of_two_operators_one_writes_and_the_other_takes_over_when_it_is_killed(
    busy: World, operator: Operator, other: Operator
) -> None:
    first = holder(busy)
    busy.apply(worlds.budget("rack-a1", 190))
    busy.runs("cam", "n1", "n1", "n1")
    assert other.writes() == 0

    operator.kill()
    busy.apply(*more(busy.team))

    eventually(lambda: holder(busy) not in (first, ""), 25)
    busy.runs("new", "n2", "n2")
    busy.runs("cam", "n1", "n1", "n1")
    assert other.writes() > 0


def test_what_a_service_owned_goes_while_the_operator_is_stopped(
    busy: World, operator: Operator
) -> None:
    operator.stop()
    busy.delete("inferenceservices.kwatt.dev", "cam")
    owned = "deployments,replicasets,pods,services"
    eventually(lambda: not busy.kubectl.items(owned, "-n", busy.team))

    busy.apply(worlds.service("next", busy.team, 200))
    operator.start()

    busy.runs("next", "n1", "n1")
    busy.counts("rack-a1", reservedWatts="120", headroomWatts="0")
    assert not busy.service("cam")


@pytest.mark.local("stops the API server, whose process a given cluster hides")
def test_when_the_api_server_comes_back_everything_becomes_as_it_should_be(
    busy: World, operator: Operator
) -> None:
    name = busy.kubectl.cluster.name
    busy.apply(*more(busy.team))
    local.stop_apiserver(name)
    eventually(lambda: not operator.running, 25, "without its lease it ends itself")

    local.start_apiserver(name)
    operator.start()  # as its Deployment would

    busy.runs("new", "n2", "n2", seconds=90)
    busy.runs("cam", "n1", "n1")
    busy.counts("rack-a1", headroomWatts="0")
    eventually(lambda: busy.says("new", "Ready")[0] == "True", 30)
