"""Answers of a Prometheus-compatible server to instant queries (GET /api/v1/query), and the queries.

https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from kwatt.model.targets import CardFormat
from kwatt.model.telemetry import Refusal
from kwatt.telemetry.refusals import Unusable

MOST_RESULTS: Final = 100_000
_NODE_LABELS: Final = ("node", "hostname", "kubernetes_node", "nodename")


class Result(NamedTuple):
    """One element of a vector: labels, the value as text, and the time of it in milliseconds."""

    labels: Mapping[str, str]
    value: bytes
    at_ms: int


def query_url(server: str, query: str) -> str:
    """Return the address of an instant query."""
    return f"{server.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"


def query_of(format: CardFormat) -> str:
    """Return the query for the watts of all cards of a class, under each name that they may have."""
    names = "|".join(re.escape(name) for name in format.metrics).replace("\\", "\\\\")
    return f'{{__name__=~"{names}"}}'


def results_in(body: bytes) -> list[Result]:
    """Read the elements of a vector, or a scalar as a vector of one. Raises Unusable."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unusable(Refusal.NOT_EXPOSITION, "the answer is no JSON") from error
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise Unusable(Refusal.HTTP_STATUS, f"the server refuses the query: {_complaint(answer)}")
    try:
        return _results(answer["data"])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise Unusable(
            Refusal.NOT_EXPOSITION, "the answer is not what the Prometheus API describes"
        ) from error


def _results(found: Any) -> list[Result]:
    kind, result = found["resultType"], found["result"]
    if kind == "scalar":
        return [Result({}, *_value(result))]
    if kind != "vector":
        raise Unusable(
            Refusal.NOT_EXPOSITION, f"the query gives a {kind}; write one that gives one value"
        )
    if len(result) > MOST_RESULTS:
        raise Unusable(Refusal.TOO_MANY_SERIES, f"the query gives {len(result)} series")
    return [Result(_labels(one["metric"]), *_value(one["value"])) for one in result]


def _labels(metric: Any) -> Mapping[str, str]:
    if not isinstance(metric, dict) or not all(isinstance(v, str) for v in metric.values()):
        raise TypeError
    return metric


def _value(pair: Any) -> tuple[bytes, int]:
    at, value = pair
    return str(value).encode(), int(float(at) * 1000)


def _complaint(answer: Any) -> str:
    if not isinstance(answer, dict):
        return "no reason given"
    return str(answer.get("error") or "no reason given").splitlines()[0][:200]


def node_in(labels: Mapping[str, str], nodes: Mapping[str, str]) -> str | None:
    """Return the node that labels speak of, by name, hostname or the address of its exporter."""
    for name in _NODE_LABELS:
        if (node := nodes.get(labels.get(name, ""))) is not None:
            return node
    instance = labels.get("instance", "")
    host = instance.rpartition(":")[0] if ":" in instance else instance
    return nodes.get(host.strip("[]")) or nodes.get(instance)
