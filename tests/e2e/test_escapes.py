"""A tenant with `edit` in one namespace tries what it must not, with a real token, on the real API server.

Where something else than a refusal stops an attempt, that is asserted. docs/security.md tells what is not
defended. Cluster administrators are trusted and can do all of this.
"""

from __future__ import annotations

import pytest

from e2e import tenancy, worlds
from e2e.harness import World, eventually
from e2e.tenancy import Stage

pytestmark = pytest.mark.cluster
NPU = {worlds.RESOURCE: "1"}
WATTS = {**NPU, "kwatt.dev/watts": "1"}
OURS = "only KWatt may"


# Somebody else's, and the cluster's


@pytest.mark.parametrize("part", ["", "/status"])
def test_services_of_another_namespace_can_be_neither_read_nor_written(
    stage: Stage, part: str
) -> None:
    path = tenancy.services(stage.others, "theirs")

    assert "cannot get" in stage.tenant.get(path).refused()
    assert "cannot patch" in stage.tenant.patch(path + part, {"spec": {}}).refused()
    assert "cannot delete" in stage.tenant.delete(path).refused()
    assert "cannot create" in stage.create(tenancy.services(stage.others), {}).refused()


def test_its_own_status_is_the_operators(stage: Stage) -> None:
    path = tenancy.services(stage.own, "cam", "status")
    claimed = {"status": {"planned": {"watts": "1"}}}

    assert "cannot patch" in stage.tenant.patch(path, claimed).refused()
    stage.tenant.get(path).granted()


@pytest.mark.parametrize("path", ["/api/v1/nodes/n1", "/api/v1/nodes/n1/status"])
def test_nodes_get_no_watts_from_a_tenant(stage: Stage, path: str) -> None:
    more = {"status": {"allocatable": {"kwatt.dev/watts": "9999"}}}

    assert "cannot patch" in stage.tenant.patch(path, more).refused()


@pytest.mark.parametrize("name", ["powerbudgets/a1", "modelprofiles/model", "npuclasses/one"])
def test_budgets_profiles_and_classes_are_the_administrators(stage: Stage, name: str) -> None:
    path, kind = f"{tenancy.KWATT}/{name}", name.partition("/")[0]

    for part in ("", "/status"):
        assert "cannot patch" in stage.tenant.patch(path + part, {"spec": {}}).refused()
    assert "cannot delete" in stage.tenant.delete(path).refused()
    assert "cannot create" in stage.create(f"{tenancy.KWATT}/{kind}", {}).refused()


@pytest.mark.parametrize(
    "path",
    [
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kwatt-tenants",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/kwatt-tenants",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/powerbudgets.kwatt.dev",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/kwatt-edit",
        "/apis/coordination.k8s.io/v1/namespaces/kwatt-system/leases/kwatt",
    ],
)
def test_what_holds_it_back_can_not_be_taken_away(stage: Stage, path: str) -> None:
    assert "cannot delete" in stage.tenant.delete(path).refused()


def test_it_gets_no_token_of_the_operators(stage: Stage) -> None:
    accounts = tenancy.core("kwatt-system", "serviceaccounts", "kwatt", "token")

    assert "cannot create" in stage.create(accounts, {}).refused()


# Passing for KWatt


@pytest.mark.parametrize("kind", tenancy.workloads())
def test_pods_with_kwatts_labels_watts_gate_or_node_come_of_no_workload(
    stage: Stage, kind: str
) -> None:
    gate = [{"name": "kwatt.dev/placement"}]

    for spec, labels, why in (
        (None, tenancy.OWN_LABELS, "labels and annotations"),
        (tenancy.pod_spec(WATTS), None, "ask for kwatt.dev/watts"),
        (tenancy.pod_spec(schedulingGates=gate), None, "set the gate"),
        (tenancy.pod_spec(NPU, nodeName="n1"), None, "leave spec.nodeName to the scheduler"),
    ):
        where, body = tenancy.workloads(spec, labels)[kind]
        assert why in stage.create(tenancy.collection(stage.own, where), body).refused()


def test_a_pod_with_kwatts_labels_watts_gate_or_node_is_refused(stage: Stage) -> None:
    pods = tenancy.core(stage.own, "pods")

    for body, why in (
        (tenancy.pod(labels=tenancy.OWN_LABELS), "labels and annotations"),
        (tenancy.pod(annotations={"kwatt.dev/released": "now"}), "labels and annotations"),
        (tenancy.pod(ownerReferences=tenancy.owned_by(stage.service)), "owns something"),
        (tenancy.pod(tenancy.pod_spec(WATTS)), "ask for kwatt.dev/watts"),
        (tenancy.pod(tenancy.pod_spec({"kwatt.dev/watts": "0"})), "ask for kwatt.dev/watts"),
        (
            tenancy.pod(tenancy.pod_spec({"kwatt.dev/watts": "-5"})),
            "must be greater than or equal to 0",
        ),
        (tenancy.pod(tenancy.pod_spec(NPU, nodeName="n1")), "leave spec.nodeName"),
    ):
        assert why in stage.create(pods, body).refused()


def test_nothing_else_passes_for_kwatts_either(stage: Stage) -> None:
    owners = tenancy.owned_by(stage.service)
    labels = {"kwatt.dev/service": "cam"}

    for metadata, why in (({"labels": labels}, "labels"), ({"ownerReferences": owners}, "owns")):
        service, deployment = tenancy.service(**metadata), tenancy.deployment(None, **metadata)
        assert why in stage.create(tenancy.core(stage.own, "services"), service).refused()
        assert why in stage.create(tenancy.apps(stage.own, "deployments"), deployment).refused()


def test_what_is_kwatts_can_not_be_disowned_relabelled_or_rewritten(stage: Stage) -> None:
    deployment = stage.world.deployments()[0]["metadata"]["name"]
    replica_set = stage.world.kubectl.items("rs", "-n", stage.own)[0]["metadata"]["name"]
    ungate = [{"op": "remove", "path": "/spec/template/spec/schedulingGates"}]
    asked = "/spec/template/spec/containers/0/resources"
    cheaper = [
        {"op": "replace", "path": f"{asked}/{part}/kwatt.dev~1watts", "value": "1"}
        for part in ("limits", "requests")
    ]
    ways = {"labels": {"kwatt.dev/variant": None}}, {"ownerReferences": None}

    for path in (
        tenancy.apps(stage.own, "deployments", deployment),
        tenancy.apps(stage.own, "replicasets", replica_set),
    ):
        for ops in (ungate, cheaper, [{"op": "replace", "path": "/spec/replicas", "value": 9}]):
            assert "change that instead" in stage.tenant.patch(path, ops, "json").refused()
        for metadata in ways:
            assert "KWatt" in stage.tenant.patch(path, {"metadata": metadata}).refused()
        stage.tenant.patch(path, {"metadata": {"annotations": {"note": "mine"}}}).granted()


def test_more_replicas_by_the_scale_subresource_are_taken_back(stage: Stage) -> None:
    name = stage.world.deployments()[0]["metadata"]["name"]
    path = tenancy.apps(stage.own, "deployments", name, "scale")

    stage.tenant.patch(path, {"spec": {"replicas": 9}}).granted()

    eventually(lambda: stage.world.deployments()[0]["spec"]["replicas"] == 2)
    stage.world.runs("cam", "n1", "n1")


def test_a_running_replica_can_not_be_marked_or_disowned_but_deleted(stage: Stage) -> None:
    name = stage.world.running("cam")[0]["metadata"]["name"]
    path = tenancy.core(stage.own, "pods", name)
    cost = {"controller.kubernetes.io/pod-deletion-cost": "-2147483647"}

    for metadata, why in (
        ({"annotations": cost}, "name the pod to lose"),
        ({"annotations": {"kwatt.dev/released": None}}, OURS),
        ({"labels": {"kwatt.dev/service": "other"}}, OURS),
        ({"labels": {"kwatt.dev/variant": None}}, OURS),
        ({"ownerReferences": None}, "stays as it is"),
        ({"finalizers": ["tenant.example.com/stay"]}, "may delay the end"),
    ):
        assert why in stage.tenant.patch(path, {"metadata": metadata}).refused()
    stage.tenant.patch(path, {"metadata": {"labels": {"mine": "yes"}}}).granted()
    stage.tenant.delete(path).granted()
    stage.world.runs("cam", "n1", "n1")


def test_a_pod_that_waits_can_be_neither_released_nor_pinned(stage: Stage) -> None:
    gated = tenancy.pod(
        tenancy.pod_spec(WATTS, schedulingGates=[{"name": "kwatt.dev/placement"}]),
        name="waits",
        namespace=stage.own,
        labels=tenancy.OWN_LABELS,
    )
    stage.world.apply(gated)
    path = tenancy.core(stage.own, "pods", "waits")
    ungate = [{"op": "remove", "path": "/spec/schedulingGates"}]
    narrow = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [narrow]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}

    assert "remove the gate" in stage.tenant.patch(path, ungate, "json").refused()
    for spec in ({"nodeSelector": {tenancy.NODE: "n1"}}, {"affinity": affinity}):
        assert "choose the node" in stage.tenant.patch(path, {"spec": spec}).refused()
    binding = {"target": {"kind": "Node", "name": "n1"}, "metadata": {"name": "waits"}}
    for where in (f"{path}/binding", tenancy.core(stage.own, "bindings")):
        assert "cannot create" in stage.create(where, binding).refused()
    stage.tenant.delete(path).granted()


def test_pods_of_others_can_not_be_evicted(stage: Stage) -> None:
    eventually(lambda: World(stage.world.kubectl, stage.others).running("theirs"))
    pod = World(stage.world.kubectl, stage.others).pods("theirs")[0]["metadata"]["name"]
    path = tenancy.core(stage.others, "pods", pod, "eviction")

    assert "cannot create" in stage.create(path, {"metadata": {"name": pod}}).refused()


def test_normal_work_goes_on(stage: Stage) -> None:
    """A Deployment of the tenant's own comes up, changes and goes, also where it uses NPUs."""
    path = tenancy.apps(stage.own, "deployments")
    body = tenancy.deployment(tenancy.pod_spec(NPU), name="mine")
    body["spec"]["replicas"] = 1
    stage.create(path, body).granted()
    eventually(lambda: "mine" in str([p["metadata"]["name"] for p in stage.world.running()]))

    stage.tenant.patch(f"{path}/mine", {"spec": {"replicas": 0}}).granted()
    stage.tenant.delete(f"{path}/mine").granted()

    eventually(lambda: stage.world.kubectl.get("deployment", "mine", "-n", stage.own) == {})
