"""What the operator did, by the API server's audit log, and what it may do, by the chart's roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cluster.cluster import Cluster
from e2e.intruder import AGENT

_CREATED = 201


class Right(NamedTuple):
    """One verb on one resource, with its subresource."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        """Return it in the words of kubectl."""
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


class Request(NamedTuple):
    """A request of the operator that the API server saw."""

    right: Right
    forbidden: bool
    code: int
    uri: str


def given(roles: Path) -> set[Right]:
    """Return the rights that the roles of a manifest give."""
    return {
        Right(group, resource, verb)
        for role in yaml.safe_load_all(roles.read_text())
        for rule in role.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def log_of(cluster: Cluster) -> Path:
    """Return where a local cluster keeps its audit log."""
    folder = cluster.kubeconfig.parent / "clusters" / cluster.name
    return folder / "logs" / "audit.log"


def requests(cluster: Cluster) -> list[Request]:
    """Return every request of the operator for a resource; the audit policy logs nobody else's."""
    with log_of(cluster).open() as log:
        return [request for line in log if line.endswith("\n") for request in _request(line)]


def _request(line: str) -> Iterator[Request]:
    event: dict[str, Any] = json.loads(line)
    about = event.get("objectRef")
    if not about or event.get("userAgent") == AGENT:
        return  # discovery and the OpenAPI document, which everybody may read; or a thief of the token
    names = [about.get("resource", ""), about.get("subresource", "")]
    right = Right(about.get("apiGroup", ""), "/".join(filter(None, names)), event["verb"])
    forbidden = (event.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid"
    code = (event.get("responseStatus") or {}).get("code", 0)
    yield Request(right, forbidden, code, event["requestURI"])


def used(seen: Iterable[Request]) -> set[Right]:
    """Return the rights that were needed: a patch that created something needed `create` as well."""
    found = set()
    for request in seen:
        found.add(request.right)
        if request.right.verb == "patch" and request.code == _CREATED:
            found.add(request.right._replace(verb="create"))
    return found
