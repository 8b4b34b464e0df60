"""What is compared before the operator starts: fields of CRDs, and rights with those that the chart gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kwatt.api.crd import crd
from kwatt.api.kinds import KINDS, Kind
from kwatt.cli.starting import RIGHTS, lacking_fields

RBAC = Path(__file__).resolve().parents[3] / "charts" / "kwatt" / "rbac.yaml"


def schema_of(kind: Kind) -> Any:
    return crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_its_own_schema_lacks_nothing_and_a_newer_one_neither(kind: Kind) -> None:
    newer = schema_of(kind)
    newer["properties"]["spec"]["properties"]["later"] = {"type": "string"}

    assert lacking_fields(kind, newer) == []


def test_the_outermost_field_that_is_missing_is_named() -> None:
    kind = KINDS[0]
    older = schema_of(kind)
    del older["properties"]["spec"]["properties"]["throughput"]
    del older["properties"]["status"]

    assert lacking_fields(kind, older) == [
        f"spec.throughput of {kind.plural}.kwatt.dev",
        f"status of {kind.plural}.kwatt.dev",
    ]


def test_the_rights_that_are_asked_about_are_those_of_the_chart() -> None:
    given = {
        (group, resource, verb, "resourceNames" in rule, role["kind"] == "Role")
        for role in yaml.safe_load_all(RBAC.read_text())
        if role["kind"] in ("Role", "ClusterRole")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert given == {
        (right.group, right.resource, verb, right.named, right.in_namespace)
        for right in RIGHTS
        for verb in right.verbs
    }
