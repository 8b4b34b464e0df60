"""What values the chart takes: everything that it renders from, and nothing else, each refusal with its key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from chart.helm import CHART, REPO, Body, Refused, helm, render
from kwatt.cli.run import build_parser
from release.chart_readme import tabled

SCHEMA: Final[Body] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
CAP: Final[Body] = {"nodeSelector": {"matchLabels": {"rack": "a1"}}, "watts": 2000}
WINDOW: Final[Body] = {
    "name": "night",
    "timeZone": "Asia/Seoul",
    "from": "22:00",
    "to": "06:00",
    "watts": 1000,
}
# What a schema of values and one of a CRD say with the same word.
WORDS: Final = {
    *("type", "enum", "pattern", "uniqueItems", "minimum", "maximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "maxProperties"),
}


def refusal(values: Body, folder: Path) -> str:
    """Return what Helm says against some values; it names everything that is wrong at once."""
    file = folder / "values.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(Refused) as refused:
        render("-f", str(file))
    return str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("replicaz=3", "additional properties 'replicaz' not allowed"),
        ("image.tagg=1", "at '/image': additional properties 'tagg' not allowed"),
        (
            "networkPolicy.apiServer.port=443",
            "at '/networkPolicy/apiServer': additional properties",
        ),
        ("networkPolicy.dns.ports=[]", "at '/networkPolicy/dns/ports'"),
        ("replicas=-1", "at '/replicas': minimum: got -1, want 0"),
        ("replicas=two", "at '/replicas': got string, want integer"),
        ("resources.limits.memory=1GB", "at '/resources/limits/memory'"),
        ("powerBudgets.hall.watts=4kW", "at '/powerBudgets/hall/watts': '4kW' does not match"),
        ("powerBudgets.hall.watts=-1", "at '/powerBudgets/hall/watts': minimum: got -1, want 0"),
        ("powerBudgets.hall.cap=4k", "at '/powerBudgets/hall': additional properties 'cap'"),
        ("powerBudgets.hall.hostWatts=1", "at '/powerBudgets/hall': missing properties"),
        ("movesHorizonSeconds=59", "at '/movesHorizonSeconds'"),
        ("admissionPolicies.foreignPods=yes", "at '/admissionPolicies/foreignPods'"),
        (
            "admissionPolicies.foreignPods=true,admissionPolicies.enabled=false",
            "needs admissionPolicies.enabled",
        ),
        ("monitoring.alerts=yes", "at '/monitoring/alerts'"),
        ("podDisruptionBudget.minAvailable=2", "would never let a node be drained"),
        (
            "scope=Namespace",
            "nodes, NPUClasses, ModelProfiles and PowerBudgets belong to no namespace",
        ),
    ],
)
def test_wrong_values_are_refused_by_name(values: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        render("--set", values)

    assert words in str(refused.value)


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(Refused, match="incompatible with Kubernetes"):
        render("--kube-version", "1.33.4")


def test_watts_for_foreign_pods_are_refused_where_no_policy_can_add_them() -> None:
    with pytest.raises(Refused, match=r"needs MutatingAdmissionPolicy of Kubernetes 1\.36"):
        render("--set", "admissionPolicies.foreignPods=true", "--kube-version", "1.35.2")


def test_a_wrong_cap_is_refused_by_the_path_of_its_field(tmp_path: Path) -> None:
    def window(**fields: object) -> Body:
        return {"windows": [WINDOW | fields]}

    def expression(**fields: object) -> Body:
        return {"nodeSelector": {"matchExpressions": [{"key": "rack", **fields}]}}

    wrong: list[tuple[Body, str]] = [
        (window(title="evening"), "/windows/0': additional properties 'title' not allowed"),
        ({"windows": [{"name": "night"}]}, "/windows/0': missing properties"),
        (window(watts="4kW"), "/windows/0/watts': '4kW' does not match"),
        (window(watts=-1), "/windows/0/watts': minimum: got -1, want 0"),
        (window(days=["Mo"]), "/windows/0/days/0': value must be one of 'Mon', 'Tue'"),
        (window(**{"from": "24:00"}), "/windows/0/from': '24:00' does not match"),
        ({"moves": {"horizonsSecond": -3}}, "/moves': additional properties 'horizonsSecond'"),
        ({"moves": {"horizonSeconds": -3}}, "/moves/horizonSeconds': minimum: got -3, want 60"),
        ({"meter": {"classes": "Sum", "calm": 1}}, "/meter': additional properties 'calm'"),
        ({"meter": {"calmSeconds": 60}}, "/meter': 'oneOf' failed, none matched"),
        ({"meter": {"prometheus": {"url": "prometheus"}}}, "/meter/prometheus/url': 'prometheus'"),
        ({"enforcement": "Measured"}, "': missing property 'meter'"),
        ({"hostWatts": 17.24}, "/hostWatts': got number, want"),
        ({"nodeSelector": {"matchLabels": {}}}, "/nodeSelector': 'anyOf' failed"),
        (expression(operator="In"), "/matchExpressions/0': missing property 'values'"),
        (expression(operator="Is"), "/matchExpressions/0/operator': value must be one of 'In'"),
    ]

    budgets = {f"cap-{number}": CAP | more for number, (more, _) in enumerate(wrong)}
    said = refusal({"powerBudgets": budgets}, tmp_path).splitlines()

    for number, (_, words) in enumerate(wrong):
        of_it = [line for line in said if f"at '/powerBudgets/cap-{number}" in line]
        assert [line for line in of_it if words in line], (words, of_it)


def test_a_window_that_is_empty_or_has_the_name_of_another_is_refused(tmp_path: Path) -> None:
    for windows, words in (
        ([WINDOW | {"to": "22:00"}], "powerBudgets.hall: window night is empty"),
        ([WINDOW, WINDOW], "powerBudgets.hall: two windows are called night"),
    ):
        assert words in refusal({"powerBudgets": {"hall": CAP | {"windows": windows}}}, tmp_path)


def test_a_wrong_key_within_parts_of_kubernetes_is_refused(tmp_path: Path) -> None:
    peer = {"podSelector": {"matchLabel": {}}}
    rules = [{"to": [{"ipBlock": {"cidrs": "10.0.0.1/32"}}], "ports": [{"ports": 53}]}]
    policy = {"metricsFrom": [peer, {}], "extraEgress": rules}

    said = refusal(
        {"networkPolicy": policy, "affinity": {"podAntiAffinity": {"required": []}}}, tmp_path
    )

    for words in (
        "/metricsFrom/0/podSelector': additional properties 'matchLabel' not allowed",
        "/metricsFrom/1': minProperties",
        "/extraEgress/0/to/0/ipBlock': additional properties 'cidrs' not allowed",
        "/extraEgress/0/ports/0': additional properties 'ports' not allowed",
        "at '/affinity/podAntiAffinity': additional properties 'required' not allowed",
    ):
        assert words in said


def test_no_extra_argument_overrides_what_the_chart_gives(tmp_path: Path) -> None:
    options = {one for action in build_parser()._actions for one in action.option_strings}
    own = {one for one in options if one.startswith("--")} - {"--telemetry-via"}

    said = refusal({"extraArgs": [f"{one}=9" for one in sorted(own)]}, tmp_path)

    assert "--port" in own
    assert set(re.findall(r"leave out (--[a-z-]+)=9: ", said)) == own
    assert "leave out --writes-per-second=9: set writesPerSecond" in said


def test_no_extra_argument_overrides_it_in_short(tmp_path: Path) -> None:
    said = refusal({"extraArgs": ["--telemetry-via=http://a", "--po=9000", "--w"]}, tmp_path)

    assert set(re.findall(r"leave out (\S+): ", said)) == {"--po=9000", "--w"}


def test_the_readme_that_helm_shows_has_every_value() -> None:
    shown = helm("show", "readme", str(CHART)).strip("\n") + "\n"
    least = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]

    assert tabled(shown) == shown, "not current: make generate"
    assert shown.count("\n| `") > 40
    assert f"Kubernetes {least.removeprefix('>=').removesuffix('.0-0')} or later" in shown


def test_the_schema_knows_every_value_and_no_other_key() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert set(values) | {"global"} == set(SCHEMA["properties"])
    assert [part for part in parts(SCHEMA) if not is_closed(part)] == []


@pytest.mark.parametrize("text", ['{"type":"object"}', '{"type":"object","properties":{}}'])
def test_an_object_that_lets_any_key_through_is_found(text: str) -> None:
    assert [one for one in parts({"items": json.loads(text)}) if not is_closed(one)]


def test_a_budget_of_the_values_may_say_what_its_kind_may_and_nothing_else() -> None:
    crd = yaml.safe_load((REPO / "crds" / "powerbudgets.kwatt.dev.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

    assert shape(SCHEMA["$defs"]["powerBudget"]) == shape(spec)


def parts(schema: object) -> Iterator[Body]:
    """Return every schema of an object, but that of `global`, which belongs to others."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for key, inner in schema.items():
            if key != "global":
                yield from parts(inner)


def is_closed(part: Body) -> bool:
    """Tell whether an object has listed keys only, or any keys but values of one kind."""
    allowed = part.get("additionalProperties", True)
    return allowed is False if part.get("properties") else isinstance(allowed, dict)


def shape(schema: Body) -> Any:
    """Return what a schema, of the values or of a CRD, demands field by field, without its words."""
    if schema.get("x-kubernetes-int-or-string") or schema.get("$ref") == "#/$defs/watts":
        return "watts"
    made: Body = {word: schema[word] for word in WORDS & schema.keys()}
    if schema.get("x-kubernetes-list-type") == "set":
        made["uniqueItems"] = True
    for one in schema.get("x-kubernetes-validations", ()):
        if (rule := one["rule"]).startswith("self.matches('"):
            made["pattern"] = rule.removeprefix("self.matches('").removesuffix("')")
    made["required"] = sorted(schema.get("required", ()))
    made["fields"] = {key: shape(one) for key, one in schema.get("properties", {}).items()}
    for key in ("items", "additionalProperties"):
        if schema.get(key):
            made[key] = shape(schema[key])
    return made
