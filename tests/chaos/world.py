"""The world of the faults: that of the benchmark, on cards whose exporter is played, under one more meter."""

from __future__ import annotations

from typing import Any

from bench import load
from bench.load import Size
from cluster.nodes import node
from e2e.fakes import ATOM, ATOM_LABEL

Body = dict[str, Any]
CARD = "rebellions.ai/ATOM"
STEADY = ("steady-0", "steady-1")
STEADY_REPLICAS = 3
METERED = "all"  # the budget that has a meter of its own, in a Prometheus
METER_WATTS = 9_000  # what it shows; more than all is idle, less than all can draw
INTERVAL_SECONDS = 5


def nodes(size: Size) -> list[Body]:
    """Return the nodes, rack by rack."""
    return [_with_cards(body) for body in load.nodes(size)]


def _with_cards(body: Body) -> Body:
    labels = {key: body["metadata"]["labels"][key] for key in (load.PRODUCT, load.RACK)}
    return node(body["metadata"]["name"], {**labels, ATOM_LABEL: ATOM}, {CARD: load.NPUS})


def catalogue() -> list[Body]:
    """Return the classes and profiles; the cards of the class that nodes have tell their watts."""
    told = {"exporter": "Rebellions", "intervalSeconds": INTERVAL_SECONDS}
    return [
        {**body, "spec": {**body["spec"], "resourceName": CARD, "telemetry": told}}
        if (body["kind"], body["metadata"]["name"]) == ("NPUClass", "one")
        else body
        for body in load.catalogue()
    ]


def budgets(size: Size, prometheus: str) -> list[Body]:
    """Return the caps; a Prometheus-compatible server at this address has the meter of one of them."""
    meter = {"prometheus": {"url": prometheus, "query": "sum(hall_power_watts)"}}
    return [
        {**body, "spec": {**body["spec"], "meter": meter}}
        if body["metadata"]["name"] == METERED
        else body
        for body in load.budgets(size)
    ]


def steady() -> list[Body]:
    """Return services of the highest priority, which churn leaves alone."""
    bodies = [load.service(name, STEADY_REPLICAS) for name in STEADY]
    return [{**b, "spec": {**b["spec"], "priorityClassName": "steady"}} for b in bodies]


def scenario(size: Size) -> Body:
    """Return what `fakenpu` plays: the cards of every node, drawing what their class says."""
    cards = {"product": "rebellions-atom-ca12", "devices": load.NPUS}
    cards |= {"idleWatts": load.IDLE, "maxWatts": load.MOST}
    return {"nodes": [{"name": body["metadata"]["name"], **cards} for body in load.nodes(size)]}
