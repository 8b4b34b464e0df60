"""Statuses against golden pairs in tests/golden/status: the facts that go in, the status that comes out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

import builders as b
from kwatt.status.budgets import describe_budget
from kwatt.status.services import describe_service
from unit.manifests.golden import GOLDEN, expect_pair
from unit.status.facts import budget_facts, class_status, profile_status, service_facts

PAIRS = sorted(path.stem for path in (GOLDEN / "status").glob("*.yaml"))


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_described_is_the_golden_one(name: str) -> None:
    expect_pair(f"status/{name}.yaml", lambda given: described(name.partition("-")[0], given))


def described(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the status of an object of a kind as it is written."""
    describe = {"service": service, "budget": budget, "class": class_status}
    status = describe.get(kind, profile_status)(given)
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def service(given: dict[str, Any]) -> BaseModel:
    return describe_service(service_facts(given), b.NOW)


def budget(given: dict[str, Any]) -> BaseModel:
    return describe_budget(budget_facts(given), b.NOW)
