"""What a service that names a Gateway is told of its route."""

from __future__ import annotations

from typing import Any

from kwatt.manifests.routes import Answer, OwnedRoute
from kwatt.model.keys import ServiceKey
from unit.reconciler.scenes import KEY, own, world
from unit.reconciler.test_describing import described, findings, reason

ROUTED = {"route": {"gateway": {"name": "public"}}}


def routed(routes: dict[ServiceKey, OwnedRoute] | None) -> str:
    """Return the reason of the condition Routed."""
    return reason(described(own(spec=ROUTED), findings(world(), routes=routes)), "Routed")


def route(**facts: Any) -> OwnedRoute:
    """Make the HTTPRoute as it was seen."""
    rules = [{"backendRefs": [{"name": "a", "weight": 1000}]}]
    defaults = {"uid": "r", "owner_uid": "uid-traffic", "desired": "", "generation": 1}
    defaults |= {"spec": {"rules": rules}, "answer": Answer()}
    return OwnedRoute("city", "traffic", **(defaults | facts))


def test_from_missing_to_accepted() -> None:
    assert routed(None) == "GatewayAPIMissing"
    assert routed({}) == "NotWritten"
    assert routed({KEY: route()}) == "NotAnswered"
    assert routed({KEY: route(answer=Answer(True))}) == "Accepted"
    assert routed({KEY: route(answer=Answer(False, "why"))}) == "NotAccepted"


def test_a_route_of_somebody_else_is_not_its_own() -> None:
    assert routed({KEY: route(owner_uid="")}) == "NotWritten"


def test_a_gateway_without_a_namespace_is_in_that_of_the_service() -> None:
    status = described(own(spec=ROUTED), findings(world(), routes=None))

    (told,) = (c for c in status["conditions"] if c["type"] == "Routed")
    assert "names Gateway city/public" in told["message"]


def test_a_route_that_can_not_be_read_breaks_nothing() -> None:
    for route in ("public", {"gateway": "public"}, None):
        assert described(own(spec={"route": route}), findings(world()))
