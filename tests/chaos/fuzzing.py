"""Give the API server fuzzed objects while the operator runs: each is refused or handled."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from bench import load
from bench.api import ApiError, Body, path_of
from bench.ground import say, wait_until
from chaos.fuzz import objects
from chaos.stage import AWAY, Stage
from e2e.harness import condition

http.client._MAXHEADERS = 10_000  # type: ignore[attr-defined]  # a warning for each unknown field
AT_ONCE = 250  # objects that exist together; then they make room for the next
CANARY = "canary"
LISTS = {
    "InferenceService": f"namespaces/{load.NAMESPACE}/inferenceservices",
    "NPUClass": "npuclasses",
    "ModelProfile": "modelprofiles",
    "PowerBudget": "powerbudgets",
}


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What became of them; `silent` and `failures` must be empty, `canary_seconds` not None."""

    number: int
    refused: int
    handled: int
    by_reason: dict[str, int]
    silent: tuple[str, ...]
    failures: tuple[str, ...]
    canary_seconds: float | None
    seconds: float

    @property
    def problems(self) -> list[str]:
        """Return all that must not be."""
        stuck = [] if self.canary_seconds is not None else ["the canary never ran"]
        return [*self.silent, *self.failures, *stuck]


def fuzz(stage: Stage, number: int, seed: int) -> Fuzzed:
    """Apply so many objects; return what came of them."""
    begun, handled, reasons = time.monotonic(), 0, Counter[str]()
    silent: list[str] = []
    before, starts = len(stage.operator.text()), stage.operator.starts
    for batch in _batches(objects(number, seed)):
        accepted = _apply(stage, batch)
        handled += len(accepted)
        silent += _silent(stage, accepted, reasons)
        _remove(stage, accepted)
    canary = _canary(stage)
    failures = [line for line in stage.operator.text()[before:].splitlines() if _fails(line)]
    failures += stage.operator.unhealthy()
    failures += [f"{stage.operator.starts - starts} restarts"] * (stage.operator.starts > starts)
    return Fuzzed(
        number=number,
        refused=number - handled,
        handled=handled,
        by_reason=dict(reasons),
        silent=tuple(silent),
        failures=tuple(failures),
        canary_seconds=canary,
        seconds=time.monotonic() - begun,
    )


def _batches(bodies: list[Body]) -> Iterator[list[Body]]:
    rest = iter(bodies)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch


def _apply(stage: Stage, batch: list[Body]) -> list[Body]:
    """Create a batch; return the objects that the API server took."""

    def create(body: Body) -> Body | None:
        try:
            return stage.api.request("POST", path_of(body).rpartition("/")[0], body)
        except ApiError as error:
            if error.status >= 500:
                raise
            return None

    with ThreadPoolExecutor(8) as pool:
        return [one for one in pool.map(create, batch) if one is not None]


def _silent(stage: Stage, accepted: list[Body], reasons: Counter[str]) -> list[str]:
    """Wait until each has a condition about its present generation; name those that get none."""
    left: list[str] = []

    def told() -> bool:
        now = _present(stage)
        found = {one["metadata"]["uid"]: now.get(one["metadata"]["uid"], {}) for one in accepted}
        left[:] = [_called(one) for one in accepted if not _told(found[one["metadata"]["uid"]])]
        if not left:
            reasons.update(_reason(body) for body in found.values())
        return not left

    try:
        wait_until(told, 60, "a condition on every object")
    except TimeoutError:
        say(f"without a condition: {left}")
    return left


def _present(stage: Stage) -> dict[str, Body]:
    found = {}
    for kind, path in LISTS.items():
        for body in stage.api.list(f"/apis/kwatt.dev/v1alpha1/{path}")["items"]:
            found[body["metadata"]["uid"]] = {"kind": kind, **body}
    return found


def _called(body: Body) -> str:
    return f"{body['kind']} {body['metadata']['name']}: {str(body.get('spec'))[:300]}"


def _told(body: Body) -> bool:
    generation = body.get("metadata", {}).get("generation")
    conditions = body.get("status", {}).get("conditions") or []
    return any(one.get("observedGeneration") == generation for one in conditions)


def _reason(body: Body) -> str:
    accepted = condition(body, "Accepted") or condition(body, "Enforced")
    return f"{body['kind']} {accepted.get('type')}={accepted.get('status')}"


def _remove(stage: Stage, accepted: list[Body]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: stage.api.request("DELETE", path_of(body)), accepted))


def _canary(stage: Stage) -> float | None:
    """Return after how many seconds a sound service runs, None where it never does."""
    begun = time.monotonic()
    stage.api.apply(load.service(CANARY, 1))

    def runs() -> bool:
        try:
            path = f"/apis/kwatt.dev/v1alpha1/{LISTS['InferenceService']}/{CANARY}"
            body = stage.api.request("GET", path)
        except AWAY:
            return False
        return body.get("status", {}).get("summary", {}).get("replicas") == "1/1"

    try:
        wait_until(runs, 90, "the canary")
    except TimeoutError:
        return None
    finally:
        stage.api.delete("InferenceService", load.NAMESPACE, CANARY)
    return time.monotonic() - begun


def _fails(line: str) -> bool:
    return "cycle failed" in line or "Traceback" in line
