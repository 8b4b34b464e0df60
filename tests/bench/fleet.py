"""A fleet as `kubectl get -o json` prints it: nodes, classes, profiles, services, budgets, pods. Values only.

The figures of classes and profiles are made up for the benchmark and marked so: what counts here is how much
there is to read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any, Final

from bench.servers import PRODUCT, RACK, TIME, agent, env, node, uid

Body = dict[str, Any]
_NAMESPACES: Final = 40
_SIZES: Final = (1, 2, 4)
_MEASURED: Final = 8  # classes in a profile: 8 x 3 sizes x 5 points, of the 128 that may be
_FACTS: Final = {"basis": "Assumption", "source": "made up for the benchmark"}


@dataclass(frozen=True, slots=True)
class Fleet:
    """How much of each kind; `pods` are those of nine agents, at most nine on a node."""

    services: int = 10_000
    nodes: int = 5_000
    pods: int = 0
    classes: int = 20
    profiles: int = 40
    nodes_per_rack: int = 20
    watts_per_node: int = 700  # of the budget over all nodes; 400 leave half of the services out
    seed: int = 1


def bodies(fleet: Fleet) -> Iterator[Body]:
    """Yield all objects; equal fleets give equal objects."""
    draw = random.Random(fleet.seed)
    yield from (_class(number) for number in range(fleet.classes))
    yield from (_profile(number, fleet, draw) for number in range(fleet.profiles))
    yield from (_priority(number) for number in range(3))
    yield from _budgets(fleet)
    yield from (_node(number, fleet) for number in range(fleet.nodes))
    yield from (agent(number, fleet.nodes) for number in range(fleet.pods))
    yield from (_service(number, fleet, draw) for number in range(fleet.services))


def write(fleet: Fleet, path: Path) -> None:
    """Write all objects into one List, laid out as `kubectl get -o json` does."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n    "apiVersion": "v1",\n    "items": [\n')
        for number, body in enumerate(bodies(fleet)):
            file.write(",\n" if number else "")
            file.write(indent(json.dumps(body, indent=4), " " * 8))
        file.write('\n    ],\n    "kind": "List",\n    "metadata": {"resourceVersion": ""}\n}\n')


def _own(kind: str, metadata: Body, spec: Body, number: int) -> Body:
    facts = {
        "creationTimestamp": TIME,
        "generation": 1,
        **metadata,
        "resourceVersion": str(900_000 + number),
        "uid": uid(kind, number),
    }
    return {"apiVersion": "kwatt.dev/v1alpha1", "kind": kind, "metadata": facts, "spec": spec}


def _class(number: int) -> Body:
    name = _class_name(number)
    spec = {
        "vendor": f"Vendor {number % 7}",
        "product": f"Product {number}",
        "stage": 1,
        "nodeSelector": {"matchLabels": {PRODUCT: name}},
        "resourceName": f"npu.example.com/{name}",
        "tolerations": [{"key": "npu.example.com/present", "operator": "Exists"}],
        "memory": "32Gi",
        "watts": {"idle": str(10 + number % 5), "max": 150 + 5 * (number % 7)},
        **_FACTS,
    }
    return _own("NPUClass", {"name": name}, spec, number)


def _class_name(number: int) -> str:
    return f"class-{number:02d}"


def _profile(number: int, fleet: Fleet, draw: random.Random) -> Body:
    classes = sorted(draw.sample(range(fleet.classes), min(fleet.classes, _MEASURED)))
    points = [
        point
        for one in classes
        for npus in _SIZES
        for point in _curve(_class_name(one), npus, draw)
    ]
    spec = {"unit": "images", "memory": "8Gi", "points": points}
    return _own("ModelProfile", {"name": f"model-{number:02d}"}, spec, number)


def _curve(npu_class: str, npus: int, draw: random.Random) -> list[Body]:
    """Return points of load on one server: the rate grows faster than watts, and p99 with both."""
    most = draw.randrange(200, 2000) * npus
    watts = draw.randrange(60, 140) * npus
    return [
        {
            "npuClass": npu_class,
            "npus": npus,
            "operatingPoint": f"load-{load}",
            "perSecond": f"{most * load / 100 + load / 1000:.3f}",
            "watts": f"{watts * (0.4 + 0.6 * load / 100):.2f}",
            "p99Milliseconds": f"{8 + load / 4:.1f}",
            "scope": "Device",
            **_FACTS,
        }
        for load in (20, 40, 60, 80, 100)
    ]


def _priority(number: int) -> Body:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": f"level-{number}", "uid": uid("PriorityClass", number)},
        "value": 1000 * (number + 1),
    }


def _budgets(fleet: Fleet) -> Iterator[Body]:
    racks = range(-(-fleet.nodes // fleet.nodes_per_rack))
    for number in racks:
        watts = fleet.nodes_per_rack * (300 + 8 * 60)
        host = fleet.nodes_per_rack * 100
        spec: Body = {"nodeSelector": {"matchLabels": {RACK: _rack(number)}}, "watts": watts}
        yield _own("PowerBudget", {"name": _rack(number)}, {**spec, "hostWatts": host}, number)
    every = {"matchExpressions": [{"key": PRODUCT, "operator": "Exists"}]}
    total = {
        "nodeSelector": every,
        "watts": fleet.nodes * fleet.watts_per_node,
        "hostWatts": fleet.nodes * 100,
    }
    yield _own("PowerBudget", {"name": "all"}, total, len(racks))


def _rack(number: int) -> str:
    return f"rack-{number:03d}"


def _node(number: int, fleet: Fleet) -> Body:
    rack, npu_class = number // fleet.nodes_per_rack, number % fleet.classes
    return node(number, _rack(rack), _class_name(npu_class))


def _service(number: int, fleet: Fleet, draw: random.Random) -> Body:
    """Return a service of some replicas; teams write templates by hand, so each differs a little."""
    name, team = f"service-{number:05d}", f"team-{number % _NAMESPACES:02d}"
    spec: Body = {
        "model": f"model-{draw.randrange(fleet.profiles):02d}",
        "throughput": {"perSecond": draw.randrange(100, 6000)},
        "template": _template(name, number, draw),
    }
    if number % 2:
        spec |= {"latency": {"p99Milliseconds": draw.choice((15, 25, 40, "60"))}}
    if number % 5 == 0:
        spec |= {
            "priorityClassName": f"level-{draw.randrange(3)}",
            "replicas": {"min": 1, "max": 40},
        }
    if number % 7 == 0:
        spec |= {"power": {"watts": 6000}}
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": team}
    metadata = {"labels": labels, "name": name, "namespace": team}
    return _own("InferenceService", metadata, dict(sorted(spec.items())), number)


def _template(name: str, number: int, draw: random.Random) -> Body:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10}
    amounts = {"cpu": draw.choice(("500m", "1", "2")), "memory": draw.choice(("1Gi", "2Gi", "4Gi"))}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    server = {
        "args": ["--model", f"/models/{name}", "--port", "8000", "--workers", str(number % 4 + 1)],
        "env": [env(f"SETTING_{one}", number) for one in range(6)],
        "image": f"registry.example.com/serving/server-{number % 50}:v1.{number % 9}.0",
        "livenessProbe": probe,
        "name": "server",
        "ports": [{"containerPort": 8000, "name": "http"}],
        "readinessProbe": probe,
        "resources": {"requests": amounts},
        "securityContext": security,
        "volumeMounts": [{"mountPath": "/models", "name": "models", "readOnly": True}],
    }
    claim = {"claimName": f"models-{number % 20}"}
    spec = {
        "containers": [server],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "models", "persistentVolumeClaim": claim}],
    }
    return {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": spec}
