"""An operator that can't start says in one line what is wrong and what to do, and ends; it is never ready."""

from __future__ import annotations

import contextlib
import copy
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.cluster import Cluster
from e2e.harness import CHART, REPO, Kubectl, Operator, establish, eventually, least_privilege

pytestmark = pytest.mark.cluster
CRDS = REPO / "crds"
SERVICES = "inferenceservices.kwatt.dev"


def start(kubeconfig: Path, *args: str) -> subprocess.Popen[str]:
    """Start an operator whose last words are wanted."""
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    command = [sys.executable, "-m", "kwatt", "run", "--namespace", "kwatt-system", *args]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=REPO, text=True
    )


def last_words(process: subprocess.Popen[str]) -> str:
    """Wait for the end; return the one line that was printed, without the time."""
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = printed.splitlines()
    return line.partition("cannot start: ")[2]


def rewritten(kubeconfig: Path, folder: Path, **changes: Any) -> Path:
    """Return a kubeconfig with another server or token."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= {k: v for k, v in changes.items() if k == "server"}
    config["users"][0]["user"] |= {k: v for k, v in changes.items() if k == "token"}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_server_that_does_not_answer_is_named_and_nothing_is_served_meanwhile(
    cluster: Cluster, tmp_path: Path
) -> None:
    with socket.socket() as silent, socket.socket() as probe:
        silent.bind(("127.0.0.1", 0))  # nobody listens there
        probe.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{silent.getsockname()[1]}"
        port = probe.getsockname()[1]
        probe.close()
        process = start(
            rewritten(least_privilege(cluster), tmp_path, server=address), "--port", str(port)
        )
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 1).close()

        words = last_words(process)

    assert words.startswith(f"the API server {address} does not answer: ")
    assert words.endswith(
        "check the address in the kubeconfig, the network, and whether the server runs"
    )


def test_credentials_that_are_not_accepted_are_named(cluster: Cluster, tmp_path: Path) -> None:
    process = start(rewritten(least_privilege(cluster), tmp_path, token="forged"))

    assert last_words(process) == (
        f"the API server {cluster.url} does not accept the credentials; renew the token or kubeconfig"
    )


@pytest.fixture
def without_nodes_status(kubectl: Kubectl, team: str) -> Iterator[str]:
    """Lend the token of an account with all rights of the operator but one."""
    role, kind = {}, "ClusterRole"
    for one in yaml.safe_load_all((CHART / "rbac.yaml").read_text()):
        if (one["kind"], one["metadata"]["name"]) == (kind, "kwatt"):
            role = copy.deepcopy(one)
    role["metadata"]["name"] = team
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["nodes/status"]]
    kubectl.apply(role)
    account = f"{team}:default"
    kubectl(
        "create", "clusterrolebinding", team, f"--clusterrole={team}", f"--serviceaccount={account}"
    )
    lease = ("--role=kwatt-lease", "-n", "kwatt-system")
    kubectl("create", "rolebinding", team, f"--serviceaccount={account}", *lease)
    yield kubectl("create", "token", "default", "-n", team).strip()
    kubectl("delete", "clusterrole,clusterrolebinding", team)
    kubectl("delete", "rolebinding", team, "-n", "kwatt-system")


def test_a_right_that_is_missing_is_named(
    cluster: Cluster, without_nodes_status: str, tmp_path: Path
) -> None:
    process = start(rewritten(least_privilege(cluster), tmp_path, token=without_nodes_status))

    assert last_words(process) == (
        "the operator's account may not patch nodes/status: "
        "kubectl apply -f charts/kwatt/rbac.yaml, or helm upgrade"
    )


@pytest.fixture
def own_crds(stopped: Operator, kubectl: Kubectl) -> Iterator[Kubectl]:
    """Lend a kubectl to a cluster whose CRDs may be changed; they are put back."""
    yield kubectl
    eventually(lambda: "deletionTimestamp" not in kubectl.get("crd", SERVICES).get("metadata", {}))
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    establish(kubectl)


def test_crds_that_are_missing_are_named(own_crds: Kubectl, cluster: Cluster) -> None:
    own_crds("delete", "crd", SERVICES)

    assert last_words(start(least_privilege(cluster))) == (
        f"the CRDs {SERVICES} are not installed: kubectl apply --server-side -f crds/"
    )


def test_crds_that_are_older_than_the_operator_are_named_with_the_fields_that_they_lack(
    own_crds: Kubectl, cluster: Cluster
) -> None:
    older = yaml.safe_load((CRDS / f"{SERVICES}.yaml").read_text())
    schema = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    del schema["spec"]["properties"]["route"]
    del schema["status"]["properties"]["placements"]["items"]["properties"]["watts"]
    own_crds.apply(older)

    assert last_words(start(least_privilege(cluster))) == (
        f"the CRDs are older than this operator, they lack spec.route of {SERVICES}, "
        f"status.placements[].watts of {SERVICES}: "
        "kubectl apply --server-side -f crds/, or helm upgrade"
    )
