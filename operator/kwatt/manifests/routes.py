"""The one HTTPRoute of an InferenceService that names a Gateway: which share goes to which variant.

All that the API server would fill in is written out, so that what was applied and what is there compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from kwatt import names
from kwatt.manifests.deployments import Owner, owner_reference, stamped

Json = Mapping[str, Any]
_EVERY_PATH: Final = {"path": {"type": "PathPrefix", "value": "/"}}


class Backend(NamedTuple):
    """A Service and its weight among the backends of a route."""

    service: str
    weight: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the controller of the Gateway says of a route; `accepted` is None before it said anything."""

    accepted: bool | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class OwnedRoute:
    """An HTTPRoute with KWatt's label as observed."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    desired: str
    generation: int
    spec: Json
    answer: Answer

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Return the Services that it names, whatever else was made of it."""
        rules = self.spec.get("rules") or []
        refs = [ref for rule in rules for ref in rule.get("backendRefs") or []]
        return tuple(Backend(str(ref.get("name")), int(ref.get("weight", 1))) for ref in refs)


def build_route(
    owner: Owner, route: Json, port: int, backends: Iterable[Backend]
) -> dict[str, Any]:
    """Build the HTTPRoute: `route` is the spec's, `port` that of every backend."""
    spec: dict[str, Any] = {"parentRefs": [_parent(route["gateway"])]}
    if route.get("hostnames"):
        spec["hostnames"] = list(route["hostnames"])
    spec["rules"] = [
        {"matches": [_EVERY_PATH], "backendRefs": [_backend(one, port) for one in backends]}
    ]
    return stamped(
        {
            "apiVersion": names.GATEWAY_API_VERSION,
            "kind": "HTTPRoute",
            "metadata": {
                "namespace": owner.namespace,
                "name": owner.name,
                "labels": {names.SERVICE_LABEL: owner.name},
                "ownerReferences": [owner_reference(owner)],
            },
            "spec": spec,
        }
    )


def _parent(gateway: Json) -> dict[str, str]:
    keys = ("name", "namespace", "sectionName")
    named = {key: str(gateway[key]) for key in keys if gateway.get(key)}
    return {"group": names.GATEWAY_GROUP, "kind": "Gateway", **named}


def _backend(backend: Backend, port: int) -> dict[str, Any]:
    ref = {"group": "", "kind": "Service", "name": backend.service}
    return {**ref, "port": port, "weight": backend.weight}


def read_route(body: Json) -> OwnedRoute:
    """Read what tells whether an HTTPRoute is KWatt's, as it should be, and carried by its Gateway."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    owners = metadata.get("ownerReferences") or []
    controllers = [owner for owner in owners if owner.get("controller")]
    return OwnedRoute(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        owner_uid=str(controllers[0]["uid"]) if controllers else "",
        desired=str((metadata.get("annotations") or {}).get(names.DESIRED_ANNOTATION, "")),
        generation=int(metadata.get("generation") or 0),
        spec=spec,
        answer=_answer(spec, body.get("status") or {}),
    )


def _answer(spec: Json, status: Json) -> Answer:
    """Read what is said of the first parent; several controllers may answer, one refusal is enough."""
    wanted = (spec.get("parentRefs") or [{}])[0]
    keys = ("name", "namespace", "sectionName")
    conditions = [
        condition
        for parent in status.get("parents") or []
        if all(parent.get("parentRef", {}).get(key) == wanted.get(key) for key in keys)
        for condition in parent.get("conditions") or []
        if condition.get("type") in ("Accepted", "ResolvedRefs")
    ]
    for condition in conditions:
        if condition.get("status") == "False":
            return Answer(False, f"{condition.get('reason')}: {condition.get('message')}")
    accepted = any(c.get("type") == "Accepted" and c.get("status") == "True" for c in conditions)
    return Answer(True) if accepted else Answer()


def covers(there: Any, wanted: Any) -> bool:
    """Tell whether all that is wanted is there; fields that somebody else added do not count."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(
            key in there and covers(there[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(there) == len(wanted)
            and all(covers(one, other) for one, other in zip(there, wanted, strict=True))
        )
    return bool(there == wanted)
