"""The operator's roles are what it does, by the audit log of all end-to-end tests before: no more and no less.

These tests run last, see conftest.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.cluster import Cluster
from e2e import rights
from e2e.harness import CHART
from e2e.rights import Right

pytestmark = pytest.mark.cluster
ROLES = CHART / "rbac.yaml"
EVERYBODYS = {Right("authorization.k8s.io", "selfsubjectaccessreviews", "create")}


@pytest.fixture
def seen(cluster: Cluster) -> list[rights.Request]:
    """Lend what the operator asked for so far."""
    if not rights.log_of(cluster).exists():
        pytest.skip("this cluster keeps no audit log within reach")
    return rights.requests(cluster)


def test_nothing_that_the_operator_asked_for_was_forbidden(seen: list[rights.Request]) -> None:
    assert [request for request in seen if request.forbidden] == []
    assert {right for right in rights.used(seen)} <= rights.given(ROLES) | EVERYBODYS


def test_every_right_of_the_operator_was_used(
    seen: list[rights.Request], request: pytest.FixtureRequest
) -> None:
    unused = sorted(map(str, rights.given(ROLES) - rights.used(seen)))

    if not ran_whole(request):
        pytest.skip(f"only all end-to-end tests together use every right; so far not: {unused}")
    assert unused == []


def ran_whole(request: pytest.FixtureRequest) -> bool:
    """Tell whether all end-to-end tests run in this session."""
    options = request.config.option
    chosen = options.keyword or options.markexpr or getattr(options, "deselect", None)
    if chosen or any("::" in argument for argument in request.config.args):
        return False
    collected = {item.path for item in request.session.items}
    return collected.issuperset(Path(__file__).parent.glob("test_*.py"))
