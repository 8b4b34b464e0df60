"""Paths of the kinds that KWatt reads and writes."""

import pytest

from kwatt.cluster import paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (paths.PODS.everywhere(), "/api/v1/pods"),
        (paths.PODS.named("p", "a"), "/api/v1/namespaces/a/pods/p"),
        (paths.eviction_of("p", "a"), "/api/v1/namespaces/a/pods/p/eviction"),
        (paths.EVENTS.within("a"), "/api/v1/namespaces/a/events"),
        (paths.status_of(paths.NODES.named("n")), "/api/v1/nodes/n/status"),
        (paths.DEPLOYMENTS.named("d", "a"), "/apis/apps/v1/namespaces/a/deployments/d"),
        (
            paths.LEASES.named("l", "a"),
            "/apis/coordination.k8s.io/v1/namespaces/a/leases/l",
        ),
        (paths.POWER_BUDGETS.named("b"), "/apis/kwatt.dev/v1alpha1/powerbudgets/b"),
        (
            paths.INFERENCE_SERVICES.named("s", "a"),
            "/apis/kwatt.dev/v1alpha1/namespaces/a/inferenceservices/s",
        ),
    ],
)
def test_each_kind_has_its_path(path, expected):
    assert path == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (paths.PODS.everywhere(), "pods"),
        (paths.PODS.named("p", "a"), "pods"),
        (paths.eviction_of("p", "a"), "pods/eviction"),
        (paths.status_of(paths.NODES.named("n")), "nodes/status"),
        (paths.DEPLOYMENTS.within("a"), "deployments"),
        (paths.status_of(paths.INFERENCE_SERVICES.named("s", "a")), "inferenceservices/status"),
        (paths.NPU_CLASSES.everywhere(), "npuclasses"),
    ],
)
def test_a_path_names_its_resource(path, expected):
    assert paths.resource_of(path) == expected


def test_names_cannot_leave_their_place():
    assert paths.NODES.named("../pods?x") == "/api/v1/nodes/..%2Fpods%3Fx"


@pytest.mark.parametrize(("kind", "namespace"), [(paths.PODS, ""), (paths.NODES, "a")])
def test_a_namespace_must_fit_the_kind(kind, namespace):
    with pytest.raises(ValueError, match="namespace"):
        kind.named("x", namespace)


def test_a_manifest_leads_to_its_path():
    metadata = {"name": "d", "namespace": "a"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}

    assert paths.of_manifest(body) == "/apis/apps/v1/namespaces/a/deployments/d"


def test_a_foreign_manifest_has_no_path():
    with pytest.raises(KeyError):
        paths.of_manifest({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
