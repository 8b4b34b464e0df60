"""The CRDs on a real API server: what is refused, with which sentence, and what is accepted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.cluster import Cluster
from kwatt.api.kinds import KINDS

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
BAD = sorted((ROOT / "tests" / "bad_input").glob("*.yaml"))
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Kubectl:
    """Return kubectl on a cluster that has the CRDs."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [cluster.bin / "kubectl", "--kubeconfig", cluster.kubeconfig, *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=False, timeout=60)

    assert run("apply", "--server-side", "-f", str(ROOT / "crds")).returncode == 0
    names = [f"crd/{kind.plural}.kwatt.dev" for kind in KINDS]
    assert run("wait", "--for=condition=Established", *names).returncode == 0
    return run


@pytest.fixture(scope="module")
def examples(kubectl: Kubectl) -> subprocess.CompletedProcess[str]:
    """Apply the catalogue and the examples, as the demo does."""
    catalogue = kubectl("apply", "-f", str(ROOT / "charts" / "kwatt" / "catalogue"))
    assert catalogue.returncode == 0, catalogue.stderr
    return kubectl("apply", "-R", "-f", str(ROOT / "examples"))


def undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the paths of fields for which `kubectl explain` has nothing to say."""
    for name, child in schema.get("properties", {}).items():
        if not child.get("description"):
            yield f"{path}.{name}"
        yield from undescribed(child.get("items", child), f"{path}.{name}")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_input_is_refused_with_a_sentence(path: Path, kubectl: Kubectl) -> None:
    first = path.read_text().partition("\n")[0]

    answer = kubectl("apply", "--dry-run=server", "-f", str(path))

    assert answer.returncode != 0
    assert first.removeprefix("# refused: ") in answer.stderr


def test_the_catalogue_and_the_examples_are_accepted(
    examples: subprocess.CompletedProcess[str],
) -> None:
    assert examples.returncode == 0, examples.stderr


def test_the_server_fills_in_defaults(
    kubectl: Kubectl, examples: subprocess.CompletedProcess[str]
) -> None:
    service = yaml.safe_load(
        kubectl("get", "kis", "-n", "city-assistant", "assistant", "-o", "yaml").stdout
    )
    budget = yaml.safe_load(kubectl("get", "pb", "rack-a1", "-o", "yaml").stdout)

    assert service["spec"]["replicas"] == {"min": 1, "max": 6}
    assert budget["spec"]["emptyNodes"] == "Idle"


def test_the_pod_template_is_kept_as_written(
    kubectl: Kubectl, examples: subprocess.CompletedProcess[str]
) -> None:
    path = ROOT / "examples" / "30-services" / "assistant.yaml"

    stored = yaml.safe_load(
        kubectl("get", "kis", "-n", "city-assistant", "assistant", "-o", "yaml").stdout
    )

    assert stored["spec"]["template"] == yaml.safe_load(path.read_text())["spec"]["template"]


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        (("kis", "-A"), "NAMESPACE NAME READY CLASS REPLICAS RATE WATTS PER-JOULE AGE"),
        (
            ("kis", "-o", "wide"),
            "NAME READY CLASS REPLICAS RATE WATTS PER-JOULE MEASURED-WATTS MEASURED-PER-JOULE JOULES "
            "REASON AGE",
        ),
        (("pb",), "NAME CAP PLANNED RESERVED MEASURED HEADROOM ENFORCED AGE"),
        (("npc",), "NAME VENDOR PRODUCT RESOURCE IDLE MAX NODES SCHEDULABLE AGE"),
        (("mp",), "NAME UNIT POINTS USABLE ACCEPTED AGE"),
    ],
)
def test_kubectl_get_prints_the_columns(
    command: tuple[str, ...],
    columns: str,
    kubectl: Kubectl,
    examples: subprocess.CompletedProcess[str],
) -> None:
    if command[0] == "kis" and "-A" not in command:
        command = (*command, "-n", "city-food")

    header = kubectl("get", *command).stdout.partition("\n")[0]

    assert header.split() == columns.split()


def test_the_category_lists_all_four_kinds(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--categories=kwatt", "-o", "name").stdout.split()

    assert listed == [f"{kind.plural}.kwatt.dev" for kind in sorted(KINDS, key=lambda k: k.plural)]


def test_kubectl_explain_describes_every_field(kubectl: Kubectl) -> None:
    served = json.loads(kubectl("get", "--raw", "/openapi/v3/apis/kwatt.dev/v1alpha1").stdout)
    schemas = served["components"]["schemas"]

    for kind in KINDS:
        own = schemas[f"dev.kwatt.v1alpha1.{kind.name}"]["properties"]
        assert list(undescribed(own["spec"], "spec")) == []
        assert list(undescribed(own["status"], "status")) == []


def test_kubectl_explain_names_the_unit(kubectl: Kubectl) -> None:
    text = kubectl("explain", "modelprofiles.spec.points").stdout

    assert "Watts of all NPUs of the replica" in text
    assert "Latency in milliseconds" in text
    assert "per second that one replica does" in text
