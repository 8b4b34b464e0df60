"""Custom resources that nobody would write: sound ones, mutated from a seed.

Values only. A mutation replaces, drops, repeats or nests a part of the spec, or puts a value there that is
of another type, huge, deep, or in a script that nobody expected.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from bench import load
from e2e import worlds

Body = dict[str, Any]
Value = Callable[[random.Random, Any], Any]
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
        _mutate(rng, body["spec"], _value)
    if rng.random() < 0.1:
        _mutate(rng, body["spec"], _giant)
    if rng.random() < 0.05:
        body["spec"] = rng.choice((_value, _giant))(rng, body["spec"])
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


def _mutate(rng: random.Random, root: Any, value: Value) -> None:
    """Change one part of a value, in place."""
    parent, key = _part(rng, root)
    if key is None or key == "nodeSelector":
        return  # a selector that matches the nodes of the others would be no fault but a decision
    match rng.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rng.choice(TEXTS) or "unknown"] = value(rng, parent[key])
        case 2 if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        case _:
            parent[key] = value(rng, parent[key])


def _part(rng: random.Random, root: Any) -> tuple[Any, Any]:
    """Walk to a random part of a value; return what holds it, and its key there (None: nothing does)."""
    parent, key = root, None
    while isinstance(parent, dict | list) and parent:
        key = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        if not isinstance(parent[key], dict | list) or not parent[key] or rng.random() < 0.25:
            break
        parent = parent[key]
    return parent, key


def _value(rng: random.Random, before: Any) -> Any:
    """Return another value than what was there."""
    return rng.choice(
        (
            None,
            rng.choice((True, False)),
            [before] * rng.choice((0, 1, 2)),
            {rng.choice(TEXTS) or "key": before},
            rng.choice(NUMBERS),
            rng.choice(NUMBERS),
            rng.choice(TEXTS),
            rng.choice(TEXTS),
        )
    )


def _giant(rng: random.Random, before: Any) -> Any:
    """Return a value that is long, wide or deep; one object gets one at most."""
    return rng.choice(("y" * 20_000, "y" * 700_000, [before] * 300, _nested(60), _nested(200)))


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"matchLabels": value}
    return value
