"""What `kwatt plan` reads from a live cluster."""

import subprocess
from pathlib import Path

import pytest

from cluster.crds import http_routes_crd
from e2e.harness import Kubectl, establish
from kwatt.cluster.reading import list_bodies
from kwatt.errors import ClusterError, InvalidInput

CRDS = Path(__file__).parents[3] / "crds"
NODE = '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "npu-1"}}'
CLASS = """
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: city-critical}
value: 1000
"""

SERVICE = """
apiVersion: kwatt.dev/v1alpha1
kind: InferenceService
metadata: {name: routed, namespace: default}
spec:
  model: yolo
  throughput: {perSecond: 100}
  template: {spec: {containers: [{name: server, ports: [{containerPort: 80}]}]}}
  route: {gateway: {name: public}}
"""


def kubectl(control_plane, *arguments: str, text: str = "") -> None:
    command = [str(control_plane.bin / "kubectl"), "--kubeconfig", str(control_plane.kubeconfig)]
    subprocess.run([*command, *arguments], input=text, text=True, check=True, capture_output=True)


@pytest.fixture
def kubeconfig(control_plane, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))


def test_without_the_crds_it_says_what_to_do(control_plane, kubeconfig):
    kubectl(control_plane, "delete", "--ignore-not-found", "--wait", "-f", str(CRDS))

    with pytest.raises(ClusterError, match="kubectl apply -f crds/"):
        list_bodies()


def test_it_reads_every_kind_that_a_plan_needs(control_plane, kubeconfig):
    kubectl(control_plane, "apply", "-f", str(CRDS))
    establish(Kubectl(control_plane))
    for manifest in (NODE, CLASS):
        kubectl(control_plane, "apply", "-f", "-", text=manifest)

    found = {(body["kind"], body["metadata"]["name"]) for body in list_bodies()}

    assert {("Node", "npu-1"), ("PriorityClass", "city-critical")} <= found


def test_a_route_is_read_only_where_routes_are_served(control_plane, kubeconfig):
    kubectl(control_plane, "apply", "-f", str(CRDS))
    establish(Kubectl(control_plane))
    kubectl(control_plane, "apply", "-f", "-", text=SERVICE)
    served = str(http_routes_crd())

    assert [route(body) for body in list_bodies() if body["kind"] == "InferenceService"] == [None]
    kubectl(control_plane, "apply", "--server-side", "-f", served)
    establish(Kubectl(control_plane))
    found = [route(body) for body in list_bodies() if body["kind"] == "InferenceService"]
    kubectl(control_plane, "delete", "--wait", "-f", served)

    assert found == [{"gateway": {"name": "public"}}]


def route(body):
    return body["spec"].get("route")


def test_an_unknown_context_is_an_error_of_the_user(kubeconfig):
    with pytest.raises(InvalidInput, match="nowhere"):
        list_bodies("nowhere")


def test_a_kubeconfig_that_does_not_exist_is_an_error_of_the_user(monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")

    with pytest.raises(InvalidInput, match="no such file"):
        list_bodies()
