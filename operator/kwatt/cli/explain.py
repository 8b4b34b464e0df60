"""`kwatt explain`: why one service is where it is, in words."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from kwatt.cli.arguments import Parser
from kwatt.cli.explanation import Subject, explain
from kwatt.cli.plan import report_of
from kwatt.cli.statuses import Fields, key_of
from kwatt.cli.terminal import terminal_style
from kwatt.cli.top import Bodies, ListKinds, NamespaceOf, listed
from kwatt.cluster import paths
from kwatt.cluster.reading import Wanted
from kwatt.errors import ClusterError, InvalidInput
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Unplaced
from kwatt.names import SERVICE_LABEL
from kwatt.observation.parsing.budgets import parse_power_budget
from kwatt.observation.parsing.reading import Body
from kwatt.observation.parsing.table import API_VERSIONS, parse

ReadCluster = Callable[[str | None], Iterable[Body]]
_NEAR: Final = 3


def main(
    argv: Sequence[str], list_kinds: ListKinds, namespace_of: NamespaceOf, read_cluster: ReadCluster
) -> int:
    """Run `kwatt explain` and return its exit status. Raises KWattError where it can't be told."""
    arguments = build_parser().parse_args(argv)
    key = _key(arguments.service, arguments.namespace, lambda: namespace_of(arguments.context))
    found = list_kinds(
        arguments.context,
        {
            "services": Wanted(paths.INFERENCE_SERVICES.within(key.namespace)),
            "budgets": Wanted(paths.POWER_BUDGETS.everywhere()),
            "pods": Wanted(paths.PODS.within(key.namespace), f"{SERVICE_LABEL}={key.name}"),
            "nodes": Wanted(paths.NODES.everywhere()),
        },
    )
    service = _find(key, [Fields(body) for body in listed(found["services"])])
    budgets, untold = budgets_above(found["budgets"], found["pods"], found["nodes"])
    replanned = _replan(key, read_cluster(arguments.context)) if arguments.replan else ""
    subject = Subject(service, budgets, untold, replanned)
    sys.stdout.write(explain(subject, datetime.now(UTC), terminal_style()))
    return 0


def build_parser() -> Parser:
    """Make the parser of `kwatt explain`."""
    parser = Parser(
        prog="kwatt explain",
        description="Say in words where a service runs, why not more of it, what would help, its energy, and "
        "the budgets above it. Reads statuses only; without the right to list nodes the budgets are left out.",
    )
    add = parser.add_argument
    add("service", metavar="SERVICE", help="name of an InferenceService, or NAMESPACE/NAME")
    add("-n", "--namespace", help="its namespace (default: that of the context)")
    add("--replan", action="store_true", help="also plan anew, without writing anything")
    add("--context", metavar="NAME", help="kubeconfig context (default: the current one)")
    return parser


def _key(named: str, namespace: str | None, default: Callable[[], str]) -> ServiceKey:
    prefix, slash, name = named.rpartition("/")
    if not slash:
        return ServiceKey(namespace or default(), named)
    if namespace and namespace != prefix:
        raise InvalidInput(
            "-n", f"says {namespace!r}, but SERVICE says {prefix!r}; give one of them"
        )
    return ServiceKey(prefix, name)


def _find(key: ServiceKey, services: Sequence[Fields]) -> Fields:
    for service in services:
        if key_of(service) == key:
            return service
    names = sorted(key_of(service).name for service in services)
    near = difflib.get_close_matches(key.name, names, n=_NEAR, cutoff=0.5)
    known = f"near it: {', '.join(near)}" if near else f"known there: {', '.join(names) or 'none'}"
    raise InvalidInput("SERVICE", f"there is no InferenceService {key}; {known}")


def budgets_above(
    budgets: Bodies | ClusterError, pods: Bodies | ClusterError, nodes: Bodies | ClusterError
) -> tuple[list[Fields] | None, str]:
    """Return the budgets over the nodes of these pods; None and why where that can't be told.

    Where no pod is on a node these are all budgets: any of them may be what stops the service.
    """
    for name, found in (("budgets", budgets), ("pods", pods), ("nodes", nodes)):
        if isinstance(found, ClusterError):
            return None, f"{name} can't be listed: {found.message}"
    names = {Fields(pod).part("spec").text("nodeName") for pod in listed(pods)} - {""}
    labels = [
        {str(k): str(v) for k, v in (body["metadata"].get("labels") or {}).items()}
        for body in listed(nodes)
        if body["metadata"]["name"] in names
    ]
    return [Fields(body) for body in listed(budgets) if not labels or _covers(body, labels)], ""


def _covers(budget: Body, labels: Sequence[dict[str, str]]) -> bool:
    try:
        selector = parse_power_budget(budget).selector
    except InvalidInput:
        return False
    return any(selector.matches(one) for one in labels)


def _replan(key: ServiceKey, bodies: Iterable[Body]) -> Unplaced | str:
    """Plan anew; return what of the service is not served, or a sentence where all is."""
    entries = [
        parse(kind, body) for body in bodies if (kind := str(body.get("kind"))) in API_VERSIONS
    ]
    report = report_of(entries, datetime.now(UTC).replace(microsecond=0))
    short = {unplaced.service: unplaced for unplaced in report.plan.unplaced}
    if key in short:
        return short[key]
    rows = [row for row in report.plan.placements if row.service == key]
    if not rows:
        return "It can't be planned; its conditions say why."
    count = sum(row.replicas for row in rows)
    return f"It would be served in full, by {count} replica{'s' if count != 1 else ''}."
