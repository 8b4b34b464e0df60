"""A tenant claims by its InferenceServices what it must not get: priorities, names, watts, traffic, rights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import tenancy, worlds
from e2e.harness import CHART, eventually
from e2e.intruder import Answer, Body
from e2e.tenancy import Stage
from e2e.test_routes import CRD, install

pytestmark = pytest.mark.cluster
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces"


def asked(stage: Stage, name: str, template: Body | None = None, **spec: Any) -> Body:
    """Return an InferenceService of the tenant's."""
    return worlds.service(name, stage.own, 100, template, **spec)


def prioritised(name: str, **spec: Any) -> Body:
    """Return a template of a priority class."""
    return worlds.pod_template(priorityClassName=name, **spec)


@pytest.fixture
def priorities(stage: Stage) -> Iterator[Stage]:
    """Lend the stage with two priority classes, one of which its namespace may use."""
    stage.world.apply(worlds.priority("first", 1000), worlds.priority("second", 10))
    stage.world.kubectl("annotate", "namespace", stage.own, "kwatt.dev/priority-classes=x, second")
    yield stage
    stage.world.kubectl("annotate", "namespace", stage.own, "kwatt.dev/priority-classes-")
    stage.world.kubectl("delete", "priorityclass", "first", "second")


def test_a_priority_is_used_only_where_the_namespace_may(priorities: Stage) -> None:
    stage, services = priorities, tenancy.services(priorities.own)
    variants = [{"npuClass": "one", "template": prioritised("first")}]
    why = (
        f"first may not be used in namespace {stage.own}; its annotation kwatt.dev/priority-classes"
    )

    for attempt in (
        asked(stage, "thief", priorityClassName="first"),
        asked(stage, "thief", prioritised("first")),
        asked(stage, "thief", variants=variants),
    ):
        assert why in stage.create(services, attempt).refused()
    stage.create(services, asked(stage, "fair", priorityClassName="second")).granted()
    later = {"spec": {"priorityClassName": "system-node-critical"}}
    assert "may not be used" in stage.tenant.patch(f"{services}/fair", later).refused()
    stage.tenant.delete(f"{services}/fair").granted()
    claim = {"metadata": {"annotations": {"kwatt.dev/priority-classes": "*"}}}
    assert "cannot patch" in stage.tenant.patch(f"/api/v1/namespaces/{stage.own}", claim).refused()


@pytest.fixture
def hostnames(stage: Stage) -> Iterator[Stage]:
    """Lend the stage with HTTPRoutes, and a namespace limited to some host names."""
    kubectl = stage.world.kubectl
    install(kubectl)
    own = ("-n", stage.own)
    names = "kwatt.dev/hostnames=cam.example.com,*.own.example.com"
    kubectl("annotate", "namespace", stage.own, names)
    kubectl("create", "role", "routes", "--verb=create", f"--resource={CRD}", *own)
    kubectl(
        "create", "rolebinding", "r", "--role=routes", f"--serviceaccount={stage.own}:tenant", *own
    )
    yield stage
    kubectl("annotate", "namespace", stage.own, "kwatt.dev/hostnames-")
    kubectl("delete", "crd", CRD)


def test_a_host_name_is_used_only_where_the_namespace_may(hostnames: Stage) -> None:
    stage, services = hostnames, tenancy.services(hostnames.own)
    gateway = {"gateway": {"name": "public", "namespace": "infra"}}
    routes = f"{ROUTES}/{stage.own}/httproutes"
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "thief"},
        "spec": {"hostnames": ["theirs.example.com"]},
    }

    for claim in ({"hostnames": ["theirs.example.com"]}, {"hostnames": ["own.example.com"]}, {}):
        attempt = asked(stage, "thief", route={**gateway, **claim})
        assert "may not be used" in stage.create(services, attempt).refused()
        direct = {**route, "spec": claim}
        eventually(
            lambda direct=direct: "may not be used" in stage.create(routes, direct).refused()
        )
    for name in ("cam.example.com", "a.own.example.com"):
        fair = asked(stage, "fair", route={**gateway, "hostnames": [name]})
        stage.create(services, fair).granted()
        stage.tenant.delete(f"{services}/fair").granted()


@pytest.mark.parametrize("watts", [0, -5, "-0.5"])
def test_watts_of_a_service_are_more_than_none(stage: Stage, watts: Any) -> None:
    attempt = asked(stage, "thief", power={"watts": watts})

    assert "spec.power.watts" in stage.create(tenancy.services(stage.own), attempt).refused()


def test_an_object_beyond_what_is_stored_is_refused(stage: Stage) -> None:
    attempt = asked(stage, "giant", worlds.pod_template("x" * 2_000_000))

    assert "too large" in stage.create(tenancy.services(stage.own), attempt).refused()


def _with(**container: Any) -> Body:
    template = copy.deepcopy(worlds.pod_template())
    template["spec"]["containers"][0].update(container)
    return template


def test_a_template_can_not_be_giant_name_its_node_or_set_watts_and_npus(stage: Stage) -> None:
    services = tenancy.services(stage.own)
    for name, template in {
        "giant": _with(env=[{"name": "A", "value": "x" * 300_000}]),
        "node": worlds.pod_template(nodeName="n1"),
        "gate": worlds.pod_template(schedulingGates=[{"name": "mine"}]),
        "watts": _with(resources={"limits": {"kwatt.dev/watts": "0"}}),
        "npus": _with(resources={"limits": {worlds.RESOURCE: "4"}}),
    }.items():
        stage.create(services, asked(stage, name, template)).granted()

    for name, sentence in {
        "giant": "the limit is 256 KiB",
        "node": "spec.template.spec.nodeName: must not be set",
        "gate": "spec.template.spec.schedulingGates: must not be set",
        "watts": "asks for kwatt.dev/watts; remove it",
        "npus": f"asks for {worlds.RESOURCE}; remove it",
    }.items():
        stage.world.explains(name, "Accepted", "InvalidSpec", sentence)
        stage.tenant.delete(f"{services}/{name}").granted()


def test_labels_of_a_template_win_no_traffic_of_another_service(stage: Stage) -> None:
    template = worlds.pod_template()
    template["metadata"] = {"labels": {**tenancy.OWN_LABELS, "kwatt.dev/service": "cam"}}

    stage.create(tenancy.services(stage.own), asked(stage, "thief", template)).granted()

    eventually(lambda: stage.world.running("thief"))
    (made,) = (
        one for one in stage.world.deployments() if one["metadata"]["name"].startswith("thief")
    )
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["kwatt.dev/service"] == "thief"
    assert labels["kwatt.dev/variant"] == made["metadata"]["name"]
    assert len(stage.world.pods("cam")) == 2
    stage.tenant.delete(f"{tenancy.services(stage.own)}/thief").granted()


@pytest.mark.parametrize("kind", ["Service", "Deployment"])
def test_what_has_the_name_that_kwatt_will_use_is_not_taken_over(stage: Stage, kind: str) -> None:
    """The tenant hinders its own service alone, and is told."""
    services = tenancy.services(stage.own)
    if kind == "Service":
        path, body = tenancy.core(stage.own, "services"), tenancy.service(name="late")
    else:
        stage.create(services, asked(stage, "late")).granted()
        eventually(lambda: stage.world.running("late"))
        name = stage.world.running("late")[0]["metadata"]["labels"]["kwatt.dev/variant"]
        stage.tenant.delete(f"{services}/late").granted()
        path, body = tenancy.apps(stage.own, "deployments"), tenancy.deployment(None, name=name)
        eventually(lambda: stage.world.kubectl.get("deployment", name, "-n", stage.own) == {})
    made = stage.create(path, body).granted()

    stage.create(services, asked(stage, "late")).granted()

    stage.world.explains("late", "Ready", "ApplyFailed", "is not KWatt's")
    found = stage.tenant.get(f"{path}/{made['metadata']['name']}").granted()["metadata"]
    assert "ownerReferences" not in found
    stage.tenant.delete(f"{services}/late").granted()
    stage.tenant.delete(f"{path}/{made['metadata']['name']}").granted()


def test_a_template_gets_no_more_rights_on_a_node_than_the_namespace_grants(stage: Stage) -> None:
    label = "pod-security.kubernetes.io/enforce"
    stage.world.kubectl("label", "namespace", stage.own, f"{label}=restricted")
    host = worlds.pod_template(hostNetwork=True, volumes=[{"name": "h", "hostPath": {"path": "/"}}])

    stage.create(tenancy.services(stage.own), asked(stage, "root", host)).granted()

    stage.world.explains("root", "Ready", "ApplyFailed", 'violates PodSecurity "restricted')
    assert stage.world.pods("root") == []
    stage.tenant.delete(f"{tenancy.services(stage.own)}/root").granted()
    stage.world.kubectl("label", "namespace", stage.own, f"{label}-")


def test_a_quota_in_watts_is_got_round_neither_by_a_service_nor_by_changing_it(
    stage: Stage,
) -> None:
    stage.world.apply(worlds.quota(stage.own, 110))  # cam holds 100
    quota = tenancy.core(stage.own, "resourcequotas", "watts")

    assert "cannot patch" in stage.tenant.patch(quota, {"spec": {"hard": {}}}).refused()
    assert "cannot delete" in stage.tenant.delete(quota).refused()
    stage.create(tenancy.services(stage.own), asked(stage, "more")).granted()

    stage.world.explains("more", "Placed", "QuotaExceeded")
    stage.tenant.delete(f"{tenancy.services(stage.own)}/more").granted()
    stage.world.kubectl("delete", "resourcequota", "watts", "-n", stage.own)


def test_a_pod_that_looks_like_an_exporter_is_no_measurement(stage: Stage) -> None:
    labels = {"app.kubernetes.io/name": "rbln-metrics-exporter", "app": "furiosa-metrics-exporter"}
    pod = tenancy.pod(name="exporter", labels=labels)
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 9090, "name": "metrics"}]
    pods = tenancy.core(stage.own, "pods")

    stage.create(pods, pod).granted()

    eventually(lambda: "exporter" in str([p["metadata"]["name"] for p in stage.world.running()]))
    assert stage.world.says("cam", "Measured")[0] != "True"
    stage.tenant.delete(f"{pods}/exporter").granted()


@pytest.fixture
def foreign_pods(stage: Stage) -> Iterator[Stage]:
    """Lend the stage where watts are added to foreign pods, and put back what that replaces in any case."""
    kubectl, policies = stage.world.kubectl, CHART / "policies"
    if not kubectl.serves("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies"):
        pytest.skip(
            "admissionPolicies.foreignPods needs MutatingAdmissionPolicy v1: Kubernetes 1.36"
        )
    added, replaced = str(policies / "optional" / "foreign-pods.yaml"), str(policies / "watts.yaml")
    kept = [_manifest(one) for one in kubectl.items("-f", replaced)]
    try:
        kubectl("apply", "-f", added)
        kubectl("delete", "-f", replaced)
        yield stage
    finally:
        kubectl("delete", "-f", added, "--ignore-not-found")
        kubectl.apply(*kept)


def _manifest(found: Body) -> Body:
    """Return an object as it was applied, also by Helm: what it lacks Helm would not take for its own again."""
    kept = ("name", "labels", "annotations")
    metadata = {key: found["metadata"][key] for key in kept if key in found["metadata"]}
    return {**{key: found[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata}


def test_where_it_is_switched_on_the_scheduler_caps_foreign_pods_too(foreign_pods: Stage) -> None:
    stage, pods = foreign_pods, tenancy.core(foreign_pods.own, "pods")
    pod = tenancy.pod(tenancy.pod_spec({worlds.RESOURCE: "2"}))
    eventually(lambda: watts(stage.create(f"{pods}?dryRun=All", pod)) == "100")

    stage.create(pods, pod).granted()
    eventually(lambda: "Insufficient kwatt.dev/watts" in str(stage.tenant.get(f"{pods}/forged")))
    stage.world.patch("powerbudget", "a1", {"spec": {"watts": 500}})  # more than all can draw

    eventually(lambda: stage.tenant.get(f"{pods}/forged").body["status"]["phase"] == "Running")
    stage.tenant.delete(f"{pods}/forged").granted()


def watts(created: Answer) -> str:
    """Return the watts of a pod that was created, "" where it asks for none or was refused."""
    if created.code >= 400:
        return ""
    limits = created.body["spec"]["containers"][0]["resources"]["limits"]
    return str(limits.get("kwatt.dev/watts", ""))
