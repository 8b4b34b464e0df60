"""Law: whatever the body, parsing gives a value or an InvalidInput, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kwatt.observation.parsing.table import PARSERS, parse
from kwatt.observation.values import Invalid
from unit.observation import bodies

WHOLE = {
    "Node": bodies.node(),
    "Pod": bodies.own_pod("p"),
    "Deployment": bodies.deployment(),
    "PriorityClass": bodies.priority("p", 1),
    "ResourceQuota": bodies.quota({"cpu": "1"}),
    "InferenceService": bodies.service(variants=[{"npuClass": "a", "template": {"spec": {}}}]),
    "NPUClass": bodies.npu_class(tolerations=[{"key": "a", "operator": "Exists"}]),
    "ModelProfile": bodies.profile(),
    "PowerBudget": bodies.budget(windows=[bodies.window()]),
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1Ek", "-1", "9" * 30, "1e99", "24:00", "Asia/Seoul", "../etc", "\x00", "١"])
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else ()
    below = enumerate(value) if isinstance(value, list) else below
    return [path, *(found for key, inner in below for found in paths(inner, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    twin = dict(value) if isinstance(value, dict) else list(value)
    twin[path[0]] = replaced(value[path[0]], path[1:], by)
    return twin


@pytest.mark.parametrize("kind", sorted(PARSERS))
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_member_replaced_by_junk(kind: str, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([one for one in paths(WHOLE[kind]) if one]))
    body = replaced(WHOLE[kind], path, data.draw(JUNK))

    outcome = parse(kind, body)

    assert isinstance(outcome, Invalid) or outcome.name


@pytest.mark.parametrize("kind", sorted(PARSERS))
@given(body=st.dictionaries(st.sampled_from(["metadata", "spec", "status", "value"]), JUNK))
@settings(max_examples=60, deadline=None)
def test_a_body_of_junk(kind: str, body: dict[str, Any]) -> None:
    assert isinstance(parse(kind, body), Invalid)


def test_a_template_that_contains_itself_is_refused() -> None:
    body = bodies.service()
    body["spec"]["template"]["spec"]["self"] = body["spec"]["template"]

    assert isinstance(parse("InferenceService", body), Invalid)


def test_a_template_nested_a_thousand_times_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    body = bodies.service()
    body["spec"]["template"]["spec"]["deep"] = deep

    assert isinstance(parse("InferenceService", body), Invalid)


def test_what_is_invalid_keeps_its_identity() -> None:
    body = bodies.service(model=None)
    body["metadata"]["generation"] = 4

    outcome = parse("InferenceService", body)

    assert isinstance(outcome, Invalid)
    assert (outcome.namespace, outcome.name, outcome.uid, outcome.generation) == (
        "city",
        "traffic",
        "uid-traffic",
        4,
    )
