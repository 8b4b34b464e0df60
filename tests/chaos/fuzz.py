"""Custom resources that nobody would write: sound ones, mutated from a seed.

Values only. A mutation replaces, drops, repeats or nests a part of the spec, or puts a value there that is
of another type, huge, deep, or in a script that nobody expected.
"""

from __future__ import annotations

import copy
import random
from typing import Any

from bench import load
from e2e import worlds

Body = dict[str, Any]
TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "1e309",
    "1e-30",
    "NaN",
    "0.0000001",
    "9" * 40,
    "12Gi",
    "도시-카메라",
    "👩‍🔧" * 9,
    "\u202eabc",
    "e\u0301" * 40,
    "../../etc",
    "{{ .Values }}",
    "a" * 64,
    "x" * 5000,
    "\t\n\x0b",
    "null",
    "true",
    "2026-02-30T25:61:00Z",
)
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, 1e18, 1e-9, 999999999)


def objects(number: int, seed: int) -> list[Body]:
    """Return so many objects of the four kinds; the same seed gives the same ones."""
    rng = random.Random(f"fuzz-{seed}")
    return [_object(rng, index) for index in range(number)]


def _object(rng: random.Random, index: int) -> Body:
    body = copy.deepcopy(rng.choice(_sound(f"fuzz-{index:05d}")))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        _mutate(rng, body["spec"])
    if rng.random() < 0.05:
        body["spec"] = _value(rng, body["spec"])
    if rng.random() < 0.05:
        body["metadata"]["labels"] = {
            "kwatt.dev/service": "steady-0",
            "note": rng.choice(TEXTS)[:63],
        }
    if rng.random() < 0.05:
        body["status"] = {"conditions": _value(rng, []), "summary": _value(rng, {})}
    return body


def _sound(name: str) -> tuple[Body, ...]:
    """Return a sound object of each kind; none of them matches a node of anybody else."""
    nowhere = {"matchLabels": {"kwatt.test/fuzz": name}}
    variants = [{"npuClass": "one", "template": worlds.pod_template()}]
    replicas = {"min": 1, "max": 3}
    service = worlds.service(name, load.NAMESPACE, 50, replicas=replicas, variants=variants)
    window = {
        "name": "night",
        "timeZone": "Asia/Seoul",
        "days": ["Mon"],
        "from": "22:00",
        "to": "06:00",
    }
    budget = worlds.budget(name, 500, {"kwatt.test/fuzz": name}, windows=[{**window, "watts": 50}])
    point = worlds.point("one", env={"BATCH": "8"})
    return (
        service,
        service,
        worlds.profile(name, point, worlds.point("two", rate=7)),
        worlds.npu_class(name, nodeSelector=nowhere),
        budget,
    )


def _mutate(rng: random.Random, root: Any) -> None:
    """Change one part of a value, in place."""
    parent = root
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(parent[key], dict | list) and parent[key] and rng.random() < 0.75:
            parent = parent[key]
            continue
        break
    if key == "nodeSelector":
        return  # a selector that matches the nodes of the others would be no fault but a decision
    match rng.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(TEXTS) or "unknown"] = _value(rng, parent[key])
        case 2 if isinstance(parent, list):
            parent.extend(copy.deepcopy(parent) * rng.choice((1, 5, 100)))
        case _:
            parent[key] = _value(rng, parent[key])


def _value(rng: random.Random, before: Any) -> Any:
    """Return another value than what was there."""
    match rng.randrange(9):
        case 0:
            return None
        case 1:
            return rng.choice((True, False))
        case 2:
            return [copy.deepcopy(before)] * rng.choice((0, 1, 300))
        case 3:
            return {rng.choice(TEXTS) or "key": copy.deepcopy(before)}
        case 4:
            return _nested(rng.choice((5, 60, 900)))
        case 5:
            return "y" * rng.choice((300, 20_000, 400_000))
        case 6 | 7:
            return rng.choice(NUMBERS)
        case _:
            return rng.choice(TEXTS)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"matchLabels": value}
    return value
