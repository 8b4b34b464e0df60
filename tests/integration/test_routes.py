"""The HTTPRoute that KWatt builds, on a real API server with the CRD of the Gateway API's own module."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from cluster.cluster import Cluster
from cluster.crds import http_routes_crd
from e2e import worlds
from e2e.harness import REPO, eventually
from kwatt.manifests.deployments import Owner
from kwatt.manifests.routes import Backend, build_route, covers, read_route

pytestmark = pytest.mark.cluster

CRD = "httproutes.gateway.networking.k8s.io"
Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    """Lend kubectl on a cluster that serves HTTPRoutes; no service is left in it."""

    def run(*arguments: str, given: Any = None) -> str:
        command = [str(cluster.bin / "kubectl"), f"--kubeconfig={cluster.kubeconfig}", *arguments]
        text = yaml.safe_dump(given) if given else None
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    going = (
        "get",
        "crd",
        CRD,
        "--ignore-not-found",
        "-o",
        "jsonpath={.metadata.deletionTimestamp}",
    )
    eventually(lambda: not run(*going))  # another module may have taken it away a moment ago
    run("apply", "--server-side", "-f", str(http_routes_crd()), "-f", str(REPO / "crds"))
    eventually(lambda: run("wait", "--for=condition=Established", "crd", "--all"))
    yield run
    run("delete", "inferenceservices", "--all", "-n", "default")


def apply(kubectl: Kubectl, name: str, *backends: Backend, **route: Any) -> tuple[Any, Any]:
    """Apply a route as KWatt does; return what was sent and what is stored.

    Its owner is there: the garbage collector would take a route without one, sooner or later.
    """
    service = yaml.safe_load(
        kubectl("apply", "-f", "-", "-o", "yaml", given=worlds.service(name, "default"))
    )
    owner = Owner("default", name, service["metadata"]["uid"])
    manifest = build_route(owner, {"gateway": {"name": "public"}, **route}, 8000, backends)
    kubectl("apply", "--server-side", "--field-manager=kwatt", "-f", "-", given=manifest)
    return manifest, json.loads(kubectl("get", CRD, name, "-o", "json"))


def test_what_is_stored_is_what_was_sent_with_nothing_filled_in(kubectl: Kubectl) -> None:
    """So that a route compares as unchanged: the API server's defaults are all written out."""
    gateway = {"name": "public", "namespace": "infra", "sectionName": "https"}
    names = ["traffic.example.com", "*.city.example.com"]

    sent, stored = apply(
        kubectl,
        "full",
        Backend("traffic-atom-1", 750),
        Backend("traffic-rngd-2", 250),
        gateway=gateway,
        hostnames=names,
    )

    assert stored["spec"] == sent["spec"]
    assert covers(read_route(stored).spec, sent["spec"])


def test_a_second_apply_changes_nothing(kubectl: Kubectl) -> None:
    _, first = apply(kubectl, "twice", Backend("twice", 1000))

    _, second = apply(kubectl, "twice", Backend("twice", 1000))

    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_as_many_variants_as_kwatt_names_are_accepted(kubectl: Kubectl) -> None:
    many = [Backend(f"traffic-{number}", 1000 // 16) for number in range(16)]

    _, stored = apply(kubectl, "many", *many)

    assert read_route(stored).backends == tuple(many)


def test_an_edit_by_hand_is_seen_and_one_of_another_field_is_not(kubectl: Kubectl) -> None:
    sent, _ = apply(kubectl, "edited", Backend("edited", 1000))
    for path, value, intact in (
        ("/spec/rules/0/timeouts", {"request": "10s"}, True),
        ("/spec/rules/0/backendRefs/0/weight", 1, False),
    ):
        patch = json.dumps([{"op": "add", "path": path, "value": value}])
        kubectl("patch", CRD, "edited", "--type=json", "-p", patch)

        found = read_route(json.loads(kubectl("get", CRD, "edited", "-o", "json")))

        assert covers(found.spec, sent["spec"]) is intact
