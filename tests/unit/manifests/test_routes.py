"""The HTTPRoute: what was applied is found again, edits are found out, the Gateway's answer is read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kwatt.manifests.deployments import desired_hash
from kwatt.manifests.routes import Answer, Backend, build_route, covers, read_route
from unit.manifests.inputs import OWNER

GATEWAY = {"name": "public", "namespace": "infra"}
BACKENDS = Backend("traffic-atom-1", 750), Backend("traffic-rngd-2", 250)
Json = dict[str, Any]


def built(**route: Any) -> Json:
    """Build the route to two variants."""
    return build_route(OWNER, {"gateway": GATEWAY, **route}, 8000, BACKENDS)


def stored(manifest: Json, *conditions: Json, **parent: Any) -> Json:
    """Return the manifest as it is in the cluster, with what a Gateway's controller says of it."""
    body = deepcopy(manifest)
    body["metadata"] |= {"uid": "r1", "generation": 4}
    (ref,) = body["spec"]["parentRefs"]
    said = {"parentRef": {**ref, **parent}, "conditions": list(conditions)}
    return {**body, "status": {"parents": [said]}}


def says(type_: str, status: str, reason: str = "Because", message: str = "of this") -> Json:
    """Make a condition of a parent."""
    return {"type": type_, "status": status, "reason": reason, "message": message}


def test_what_was_built_is_read_as_owned_and_current() -> None:
    manifest = built()

    read = read_route(stored(manifest))

    assert (read.uid, read.owner_uid, read.generation) == ("r1", OWNER.uid, 4)
    assert read.desired == desired_hash(manifest)
    assert read.backends == BACKENDS


def test_a_route_of_somebody_else_has_no_owner() -> None:
    read = read_route({"metadata": {"namespace": "city", "name": "traffic", "uid": "r1"}})

    assert (read.owner_uid, read.desired, read.backends) == ("", "", ())


@pytest.mark.parametrize(
    ("conditions", "answer"),
    [
        ([], Answer()),
        ([says("Programmed", "True")], Answer()),
        ([says("Accepted", "Unknown")], Answer()),
        ([says("Accepted", "True"), says("ResolvedRefs", "True")], Answer(True)),
        ([says("Accepted", "False")], Answer(False, "Because: of this")),
        (
            [says("Accepted", "True"), says("ResolvedRefs", "False")],
            Answer(False, "Because: of this"),
        ),
    ],
)
def test_the_gateway_answers(conditions: list[Json], answer: Answer) -> None:
    assert read_route(stored(built(), *conditions)).answer == answer


def test_the_answer_of_another_gateway_is_none() -> None:
    accepted = says("Accepted", "True")

    assert read_route(stored(built(), accepted, name="private")).answer == Answer()
    assert read_route(stored(built(), accepted, sectionName="http")).answer == Answer()


def test_heartbeats_of_the_gateway_are_no_news() -> None:
    body = stored(built(), says("Accepted", "True"))
    later = deepcopy(body)
    later["metadata"]["resourceVersion"] = "99"
    (parent,) = later["status"]["parents"]
    parent["conditions"][0] |= {"lastTransitionTime": "2026-11-23T00:00:00Z", "message": "still"}

    assert read_route(later) == read_route(body)


class TestCovers:
    """What KWatt wants must be there; what others add is theirs."""

    def test_what_was_applied_covers_itself(self) -> None:
        assert covers(built()["spec"], built()["spec"])

    def test_added_fields_do_not_count(self) -> None:
        there = deepcopy(built()["spec"])
        there["useDefaultGateways"] = "None"
        there["rules"][0]["timeouts"] = {"request": "10s"}

        assert covers(there, built()["spec"])

    @pytest.mark.parametrize(
        "edit",
        [
            lambda spec: spec["rules"][0]["backendRefs"][0].update(weight=1),
            lambda spec: spec["rules"][0]["backendRefs"].pop(),
            lambda spec: spec["rules"].append({"matches": []}),
            lambda spec: spec["rules"][0].pop("backendRefs"),
            lambda spec: spec["parentRefs"][0].update(name="private"),
            lambda spec: spec["hostnames"].append("other.example.com"),
            lambda spec: spec.pop("hostnames"),
            lambda spec: spec.update(rules={}),
            lambda spec: spec.update(parentRefs=["public"]),
        ],
    )
    def test_every_edit_of_what_is_wanted_is_found(self, edit: Any) -> None:
        wanted = built(hostnames=["traffic.example.com"])["spec"]
        there = deepcopy(wanted)
        edit(there)

        assert not covers(there, wanted)
