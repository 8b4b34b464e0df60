"""Whether the operator can start: a server that answers, current CRDs, and every right that it will need.

What is being installed at this moment may come within seconds, so everything is asked again for a while.
Then one sentence says what is wrong and what to do about it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from kubernetes.aio.client import Configuration

from kwatt.api.crd import crd
from kwatt.api.kinds import KINDS, Kind
from kwatt.cluster.client import Client
from kwatt.errors import ClusterError, Missing, Refused, Unavailable
from kwatt.names import API_VERSION, GATEWAY_GROUP, GROUP, VERSION

Json: TypeAlias = Mapping[str, Any]

PATIENCE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5
_AT_ONCE: Final = 8
_NAMED: Final = 5  # of what is missing, in one line
_SCHEMAS: Final = f"/openapi/v3/apis/{API_VERSION}"
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_UPDATE: Final = "kubectl apply --server-side -f crds/, or helm upgrade"
_SEEN: Final = ("list", "watch")
_KEPT: Final = ("get", "list", "watch", "create", "patch", "delete")


class Right(NamedTuple):
    """Verbs on one resource, everywhere or (`in_namespace`) in the operator's namespace only.

    `named` is true of what is asked for the Lease alone.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    in_namespace: bool = False
    named: bool = False


RIGHTS: Final = (
    *(Right(GROUP, kind.plural, _SEEN) for kind in KINDS),
    *(Right(GROUP, f"{kind.plural}/status", ("patch",)) for kind in KINDS),
    Right("", "nodes", _SEEN),
    Right("", "resourcequotas", _SEEN),
    Right("scheduling.k8s.io", "priorityclasses", _SEEN),
    Right("", "nodes/status", ("patch",)),
    Right("", "pods", (*_SEEN, "patch")),
    Right("", "pods/eviction", ("create",)),
    Right("apps", "deployments", _KEPT),
    Right("", "services", _KEPT),
    Right(GATEWAY_GROUP, "httproutes", _KEPT),
    Right("", "events", ("create", "patch")),
    Right("coordination.k8s.io", "leases", ("create",), in_namespace=True),
    Right("coordination.k8s.io", "leases", ("get", "update"), in_namespace=True, named=True),
)


async def check_start(
    access: Configuration, namespace: str, lease: str, patience: float = PATIENCE_SECONDS
) -> None:
    """Return when the operator can start; raise ClusterError with one sentence when it can't."""
    end = time.monotonic() + patience
    async with Client(access) as client:
        while True:
            try:
                await _check_kinds(client)
                await _check_rights(client, namespace, lease)
            except ClusterError as error:
                if time.monotonic() >= end or error.status == 401:
                    raise _explained(error, access.host) from error
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


def _explained(error: ClusterError, host: str) -> ClusterError:
    match error:
        case Unavailable():
            remedy = "check the address in the kubeconfig, the network, and whether the server runs"
            said = f"the API server {host} does not answer: {error}; {remedy}"
        case Refused(status=401):
            said = f"the API server {host} does not accept the credentials; renew the token or kubeconfig"
        case _:
            said = str(error)
    return ClusterError(0, " ".join(said.split()))


async def _check_kinds(client: Client) -> None:
    """Compare what the API server serves with what this version reads and writes, field by field."""
    try:
        document = await client.get(_SCHEMAS)
    except Missing:
        document = {}
    schemas = (document.get("components") or {}).get("schemas") or {}
    served = {kind: schemas.get(f"dev.kwatt.{VERSION}.{kind.name}") for kind in KINDS}
    absent = [f"{kind.plural}.{GROUP}" for kind, schema in served.items() if schema is None]
    if absent:
        raise ClusterError(
            0,
            f"the CRDs {', '.join(absent)} are not installed: kubectl apply --server-side -f crds/",
        )
    lacking = [
        text for kind, schema in served.items() for text in lacking_fields(kind, schema or {})
    ]
    if lacking:
        raise ClusterError(
            0, f"the CRDs are older than this operator, they lack {_some(lacking)}: {_UPDATE}"
        )


def lacking_fields(kind: Kind, served: Json) -> list[str]:
    """Return the fields that this version knows and a served schema of the kind does not, outermost first."""
    wanted = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return [
        f"{path} of {kind.plural}.{GROUP}"
        for part in ("spec", "status")
        for path in _lacking(wanted["properties"][part], _property(served, part), part)
    ]


def _lacking(wanted: Json, served: Json | None, path: str) -> Iterator[str]:
    if served is None:
        yield path
        return
    for name, schema in (wanted.get("properties") or {}).items():
        yield from _lacking(schema, _property(served, name), f"{path}.{name}")
    for inner, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(wanted.get(inner), Mapping):
            yield from _lacking(wanted[inner], served.get(inner), path + mark)


def _property(schema: Json, name: str) -> Json | None:
    found: Json | None = (schema.get("properties") or {}).get(name)
    return found


async def _check_rights(client: Client, namespace: str, lease: str) -> None:
    """Ask the API server about every right; it answers so also where it would refuse the request."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def lacks(right: Right, verb: str) -> bool:
        async with limit:
            return not await _allowed(client, _attributes(right, verb, namespace, lease))

    asked = [(right, verb) for right in RIGHTS for verb in right.verbs]
    answers = await asyncio.gather(*(lacks(right, verb) for right, verb in asked))
    missing = [
        f"{verb} {right.resource}"
        for (right, verb), lack in zip(asked, answers, strict=True)
        if lack
    ]
    if missing:
        raise ClusterError(
            0,
            f"the operator's account may not {_some(missing)}: "
            "kubectl apply -f charts/kwatt/rbac.yaml, or helm upgrade",
        )


async def _allowed(client: Client, attributes: Json) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await client.create(_REVIEWS, review)
    except Refused as error:
        if error.status == 403:  # some clusters let nobody ask; then requests themselves will tell
            return True
        raise
    return bool((answer.get("status") or {}).get("allowed"))


def _attributes(right: Right, verb: str, namespace: str, lease: str) -> Json:
    resource, _, subresource = right.resource.partition("/")
    return {
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": verb,
        "namespace": namespace if right.in_namespace else "",
        "name": lease if right.named else "",
    }


def _some(things: list[str]) -> str:
    more = len(things) - _NAMED
    return ", ".join(things[:_NAMED]) + (f" and {more} more" if more > 0 else "")
