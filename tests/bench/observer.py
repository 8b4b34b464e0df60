"""Watch a cluster and tell whether any power budget was exceeded at any instant.

    python tests/bench/observer.py --kubeconfig FILE [--out FILE]      (until SIGINT or SIGTERM)

It lists and watches pods, nodes and budgets, and sorts all that happened by resourceVersion, which is one
count over the whole API server: so every state that ever existed is checked once, in its order. It only
reads, imports nothing of KWatt, and ends with status 1 when a cap was exceeded. Selectors by matchLabels
only, no windows: the benchmark uses none.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.api import Api, ApiError
from bench.caps import WATTS, Budget, Caps, Node, NpuClass, Pod

Body = dict[str, Any]
KWATT = "/apis/kwatt.dev/v1alpha1"
PATHS = {"pod": "/api/v1/pods", "node": "/api/v1/nodes", "budget": f"{KWATT}/powerbudgets"}


class Change(NamedTuple):
    """Something that happened: `fact` is None when the object is gone, or holds nothing."""

    version: int
    at: float
    kind: str
    key: str
    name: str
    fact: Pod | Node | Budget | None


class Follower(threading.Thread):
    """Follows one kind and keeps every change."""

    def __init__(self, api: Api, kind: str) -> None:
        super().__init__(daemon=True)
        self.changes: list[Change] = []
        self.failure = ""
        self._api = api
        self._kind = kind
        listed = api.list(PATHS[kind])
        self.listed_at = int(listed["metadata"]["resourceVersion"])
        now = time.time()
        self.first = [_change(kind, body, now, gone=False) for body in listed["items"]]
        self.version = str(self.listed_at)

    def run(self) -> None:
        """Follow until the process ends; losing history is a failure."""
        while True:
            try:
                self._follow()
            except ApiError as error:
                self.failure = f"{self._kind}: {error}"
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)  # the connection broke: go on from the last version

    def _follow(self) -> None:
        for event in self._api.watch(PATHS[self._kind], self.version):
            if event["type"] == "ERROR":
                raise ApiError(int(event["object"].get("code", 500)), json.dumps(event["object"]))
            body = event["object"]
            if event["type"] != "BOOKMARK":
                gone = event["type"] == "DELETED"
                self.changes.append(_change(self._kind, body, time.time(), gone=gone))
            self.version = body["metadata"]["resourceVersion"]


def _change(kind: str, body: Body, at: float, *, gone: bool) -> Change:
    metadata = body["metadata"]
    key = metadata["uid"] if kind == "pod" else metadata["name"]
    fact = None if gone else _READ[kind](body)
    return Change(int(metadata["resourceVersion"]), at, kind, key, metadata["name"], fact)


def _pod(body: Body) -> Pod | None:
    node = body["spec"].get("nodeName")
    if not node or body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return None
    asked: dict[str, int] = {}
    for container in body["spec"]["containers"]:
        for resource, amount in container.get("resources", {}).get("requests", {}).items():
            if "/" in resource:
                asked[resource] = asked.get(resource, 0) + int(amount)
    return Pod(node, asked.pop(WATTS, 0), asked)


def _node(body: Body) -> Node:
    amounts = body.get("status", {}).get("allocatable", {})
    npus = {key: int(amount) for key, amount in amounts.items() if "/" in key and key != WATTS}
    return Node(body["metadata"].get("labels", {}), npus, int(amounts.get(WATTS, 0)))


def _budget(body: Body) -> Budget:
    spec = body["spec"]
    return Budget(
        labels=spec["nodeSelector"]["matchLabels"],
        cap=milliwatts(spec["watts"]),
        host=milliwatts(spec.get("hostWatts", 0)),
        empty_off=spec.get("emptyNodes") == "PoweredOff",
    )


_READ = {"pod": _pod, "node": _node, "budget": _budget}


def milliwatts(amount: object) -> int:
    """Read a plain number of watts."""
    return int(Decimal(str(amount)) * 1000)


def read_classes(api: Api) -> tuple[NpuClass, ...]:
    """Read the products that the cluster knows."""
    found = []
    for body in api.list(f"{KWATT}/npuclasses")["items"]:
        spec = body["spec"]
        idle, most = (milliwatts(spec["watts"][key]) for key in ("idle", "max"))
        labels = spec["nodeSelector"]["matchLabels"]
        found.append(NpuClass(labels, spec["resourceName"], idle, most))
    return tuple(found)


def replay(classes: tuple[NpuClass, ...], followers: list[Follower]) -> Caps:
    """Check every state from the moment on at which all kinds are known."""
    caps = Caps(classes)
    for change in (one for follower in followers for one in follower.first):
        _put(caps, change)
    caps.begin()
    known = max(follower.listed_at for follower in followers)
    for change in sorted(_later(followers), key=lambda change: change.version):
        touched = _put(caps, change)
        if change.version > known:
            state = "set" if change.fact else "gone"
            caps.check(touched, change.at, f"{change.kind} {change.name} {state}")
    return caps


def _later(followers: list[Follower]) -> Iterator[Change]:
    for follower in followers:
        yield from list(follower.changes)


def _put(caps: Caps, change: Change) -> set[str]:
    match change.fact, change.kind:
        case Pod() | None as pod, "pod":
            return caps.set_pod(change.key, pod)
        case Node() | None as node, "node":
            return caps.set_node(change.key, node)
        case Budget() | None as budget, "budget":
            return caps.set_budget(change.key, budget)
    raise AssertionError(change)


def report(caps: Caps, failures: list[str]) -> Body:
    """Return what was seen, in watts."""
    return {
        "instants": caps.instants,
        "failures": failures,
        "violations": [
            {**one._asdict(), "watts": one.watts / 1000, "allowed": one.allowed / 1000}
            for one in caps.violations
        ],
        "budgets": {
            name: {
                "worstMarginWatts": _watts(record.margin),
                "worstGrantMarginWatts": _watts(record.grant_margin),
                "cutsBelowUse": record.cuts,
                "longestOverCutSeconds": round(record.longest_over_seconds, 1),
            }
            for name, record in sorted(caps.records.items())
        },
    }


def _watts(milliwatts_: int | None) -> float | None:
    return None if milliwatts_ is None else milliwatts_ / 1000


def main() -> int:
    """Observe until a signal ends it, then print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"))
    parser.add_argument("--out", type=Path, help="write the report here instead of printing it")
    options = parser.parse_args()
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    api = Api(Path(options.kubeconfig))
    classes = read_classes(api)
    followers = [Follower(api, kind) for kind in PATHS]
    for follower in followers:
        follower.start()
    print("watching", file=sys.stderr, flush=True)
    while not end.wait(0.5) and not any(follower.failure for follower in followers):
        pass
    failures = [follower.failure for follower in followers if follower.failure]
    text = json.dumps(report(replay(classes, followers), failures), indent=1)
    if options.out:
        options.out.write_text(text)
    else:
        print(text)
    found = json.loads(text)
    return 1 if found["violations"] or found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
