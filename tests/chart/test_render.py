"""The chart as it renders: golden files for six sets of values, and what must be the same elsewhere.

Write the golden files anew with KWATT_UPDATE_GOLDEN=1.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

import kwatt
from chart.helm import CHART, REPO, Body, helm, of_kind, render
from kwatt.observation.parsing.counters import PRESETS as RUNTIMES
from kwatt.observation.parsing.telemetry import PRESETS as EXPORTERS

VALUES = Path(__file__).parent / "values"
GOLDEN = REPO / "tests" / "golden" / "chart"
SETS = sorted(path.stem for path in VALUES.glob("*.yaml"))
SERVED = tuple(f"--api-versions=kwatt.dev/v1alpha1/{kind}" for kind in ("NPUClass", "PowerBudget"))
ARGUMENTS = {"removable": ("--is-upgrade", *SERVED)}
# Rules, policies, alerts and dashboards are files of their own, with tests of their own.
ELSEWHERE = re.compile("rbac.*|admissionregistration.*")
FILLED = ("CustomResourceDefinition", "NPUClass", "ModelProfile", "InferenceService")
FILLED_TOO = ("PrometheusRule", "ConfigMap")


def rendered(name: str) -> list[Body]:
    namespace = "npu" if name == "removable" else "kwatt-system"
    return render("-f", str(VALUES / f"{name}.yaml"), *ARGUMENTS.get(name, ()), namespace=namespace)


def outline(bodies: list[Body]) -> str:
    """Return what the chart itself decides: of objects from files only that they are there, and how."""
    shown = []
    for body in bodies:
        if ELSEWHERE.match(body["apiVersion"]) or body["kind"] in FILLED_TOO:
            continue
        keys = ("kind", "metadata") if body["kind"] in FILLED else tuple(body)
        shown.append({key: body[key] for key in keys})
    return re.sub(rf"\b{re.escape(kwatt.__version__)}\b", "VERSION", yaml.safe_dump_all(shown))


@pytest.mark.parametrize("name", SETS)
def test_the_chart_renders_to_the_golden_file(name: str) -> None:
    golden, text = GOLDEN / f"{name}.yaml", outline(rendered(name))
    if os.environ.get("KWATT_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")

    assert text == golden.read_text(encoding="utf-8")


def test_helm_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_crds_are_the_generated_ones_and_kept_unless_asked_otherwise() -> None:
    generated = {
        body["metadata"]["name"]: body["spec"]
        for body in (yaml.safe_load(path.read_text()) for path in (REPO / "crds").glob("*.yaml"))
    }
    crds = of_kind(rendered("default"), "CustomResourceDefinition")
    going = of_kind(rendered("removable"), "CustomResourceDefinition")

    assert {name: body["spec"] for name, body in crds.items()} == generated
    assert {
        body["metadata"]["annotations"]["helm.sh/resource-policy"] for body in crds.values()
    } == {"keep"}
    assert [body for body in going.values() if "annotations" in body["metadata"]] == []


def test_rights_are_those_of_the_files_in_the_namespace_of_the_release() -> None:
    texts = [path.read_text() for path in CHART.glob("rbac*.yaml")]
    files = [
        body
        for text in texts
        for body in yaml.safe_load_all(text.replace("kwatt-system", "npu"))
        if body["kind"] != "Namespace"
    ]
    found = {(body["kind"], body["metadata"]["name"]): body for body in rendered("removable")}

    for body in files:
        ours = found[body["kind"], body["metadata"]["name"]]
        assert {**ours, "metadata": None} == {**body, "metadata": None}
        assert ours["metadata"].get("namespace") == body["metadata"].get("namespace")
        assert body["metadata"].get("labels", {}).items() <= ours["metadata"]["labels"].items()


def test_policies_are_those_of_their_folder_or_none() -> None:
    files = [
        body["metadata"]["name"]
        for path in (CHART / "policies").glob("*.yaml")
        for body in yaml.safe_load_all(path.read_text())
    ]

    def policies(name: str) -> list[str]:
        objects = [b for b in rendered(name) if b["apiVersion"].startswith("admissionregistration")]
        return [body["metadata"]["name"] for body in objects]

    assert sorted(policies("default")) == sorted(files)
    assert policies("least") == []


def test_where_foreign_pods_get_watts_nobody_refuses_what_was_added() -> None:
    kinds = "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"
    by_default = of_kind(rendered("default"), *kinds).keys()

    foreign = of_kind(render("--set", "admissionPolicies.foreignPods=true"), *kinds).keys()

    assert by_default - foreign == {"kwatt-watts"}
    assert foreign - by_default == {"kwatt-foreign-pods"}


def test_the_network_policy_reaches_every_exporter_and_runtime_that_has_a_default_port() -> None:
    policy = of_kind(rendered("default"), "NetworkPolicy")["kwatt"]
    reached = {one["port"] for rule in policy["spec"]["egress"] for one in rule["ports"]}

    ports = {one.port for one in (*EXPORTERS.values(), *RUNTIMES.values()) if one.port}

    assert len(ports) > 4
    assert ports <= reached


def test_whoever_reaches_the_pods_may_read_metrics_until_somebody_is_named() -> None:
    def admitted(name: str) -> list[Body]:
        return of_kind(rendered(name), "NetworkPolicy")["kwatt"]["spec"]["ingress"]

    assert admitted("default") == [{"ports": [{"port": "metrics"}]}]  # no `from`: any source
    assert len(admitted("hardened")[0]["from"]) == 2  # and the pod of `helm test`


def dns_rule(*args: str) -> Body:
    """Return the egress rule for DNS: the only one with UDP."""
    policy = of_kind(render(*args), "NetworkPolicy")["kwatt"]
    (rule,) = [
        rule
        for rule in policy["spec"]["egress"]
        if any(one.get("protocol") == "UDP" for one in rule["ports"])
    ]
    return rule


def test_the_network_policy_reaches_dns_in_pods_on_hosts_and_of_openshift() -> None:
    rule = dns_rule()

    assert {(one["port"], one["protocol"]) for one in rule["ports"]} == {
        (port, protocol) for port in (53, 5353) for protocol in ("UDP", "TCP")
    }
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]
    assert [
        one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for one in rule["to"]
        if "namespaceSelector" in one
    ] == ["kube-system", "openshift-dns"]


def test_the_network_policy_reaches_dns_anywhere_where_no_place_is_named() -> None:
    nowhere = "networkPolicy.dns.namespaces=null,networkPolicy.dns.cidrs=null"

    assert "to" not in dns_rule("--set", nowhere)


def test_alerts_and_dashboard_are_those_of_their_files() -> None:
    found = of_kind(rendered("everything"), "PrometheusRule", "ConfigMap")
    alerts, dashboard = CHART / "files" / "alerts.yaml", CHART / "files" / "dashboard.json"

    assert ("kwatt" in found) == alerts.exists()
    assert ("kwatt-dashboard" in found) == dashboard.exists()
    if alerts.exists():
        assert found["kwatt"]["spec"] == yaml.safe_load(alerts.read_text())
    if dashboard.exists():
        assert (
            found["kwatt-dashboard"]["data"]["kwatt.json"].strip() == dashboard.read_text().strip()
        )


def test_everything_in_the_catalogue_is_made_once_and_never_replaced() -> None:
    made = of_kind(rendered("everything"), "NPUClass")
    files = [yaml.safe_load(path.read_text()) for path in (CHART / "catalogue").glob("*.yaml")]

    assert set(made) == {body["metadata"]["name"] for body in files}
    for body in made.values():
        notes = body["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "post-install,post-upgrade"
        assert notes["helm.sh/hook-delete-policy"] == "hook-failed"


def test_no_hook_ends_a_cap_that_is_in_force() -> None:
    """Hooks of a rollback meet caps that stand: nothing may delete these, not even where the hook fails."""
    every = [
        body["metadata"]["annotations"]
        for body in of_kind(rendered("everything"), "PowerBudget").values()
    ]
    caps = [notes for notes in every if "post-rollback" in notes["helm.sh/hook"]]

    assert caps
    assert {notes["helm.sh/hook-delete-policy"] for notes in caps} == {"never"}


def test_examples_fill_in_what_the_catalogue_leaves_open() -> None:
    filled = of_kind(rendered("everything"), "NPUClass")["sapeon-x220"]
    example = yaml.safe_load((REPO / "examples" / "10-classes" / "sapeon-x220.yaml").read_text())

    assert filled["spec"] == example["spec"]


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (kwatt.__version__, kwatt.__version__)
