"""The condition Routed: whether the Gateway that a service names splits its requests by weights."""

from __future__ import annotations

from dataclasses import dataclass

from kwatt.status.conditions import Verdict


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """What is known of a service's HTTPRoute, called `name`.

    `served`: the API server has HTTPRoutes at all; `weights` by Service, empty before it is written;
    `accepted` is what the Gateway's controller says, None before it said anything.
    """

    gateway: str
    name: str
    served: bool = True
    weights: tuple[tuple[str, int], ...] = ()
    accepted: bool | None = None
    message: str = ""


def routed(facts: RouteFacts, problem: str | None) -> Verdict:
    """Say whether requests are split by the weights that were planned."""
    if problem:
        why = f"the route stays as it is until the spec can be used: {problem}"
        return Verdict("Routed", None, "Held", why)
    if not facts.served:
        return Verdict("Routed", False, "GatewayAPIMissing", _missing(facts))
    if not facts.weights:
        return Verdict("Routed", None, "NotWritten", f"HTTPRoute {facts.name} is not written yet")
    if facts.accepted is None:
        why = (
            f"no controller has answered yet for Gateway {facts.gateway} and HTTPRoute {facts.name}"
        )
        return Verdict("Routed", None, "NotAnswered", why)
    if not facts.accepted:
        why = f"Gateway {facts.gateway} does not carry HTTPRoute {facts.name}: {facts.message}"
        return Verdict("Routed", False, "NotAccepted", why)
    split = ", ".join(f"{weight} to {service}" for service, weight in facts.weights)
    why = f"Gateway {facts.gateway} carries HTTPRoute {facts.name}: of 1000 requests {split}"
    return Verdict("Routed", True, "Accepted", why)


def _missing(facts: RouteFacts) -> str:
    return (
        f"spec.route names Gateway {facts.gateway}, but this cluster serves no HTTPRoute of "
        "gateway.networking.k8s.io/v1; install the CRDs of the Gateway API or remove spec.route; "
        "until then all replicas stay alike"
    )
