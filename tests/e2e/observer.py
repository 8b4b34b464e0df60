"""Watch a cluster and tell whether a PowerBudget was exceeded at any instant. Shares no code with KWatt.

    python tests/e2e/observer.py --kubeconfig FILE --seconds 60     violations as JSON lines, exit 1

Four watches record every change of nodes, pods, classes and budgets. The API server numbers all changes
of a cluster in one row, so sorting them by resourceVersion replays its history, and nothing that lasted
for a moment only is missed. A violation is a pod that was given to a node, or a share of kwatt.dev/watts
that was raised, while that took a budget over the node above its cap. A cap that is cut below what runs
is none: what counts is that nothing is added then. `GRACE` after such a change pods may still arrive
that were sent on their way before.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import yaml

Body = dict[str, Any]
GRACE = 2.0  # seconds
WATTS = "kwatt.dev/watts"
HOSTNAME = "kubernetes.io/hostname"
PATHS = {
    "node": "/api/v1/nodes",
    "pod": "/api/v1/pods",
    "class": "/apis/kwatt.dev/v1alpha1/npuclasses",
    "budget": "/apis/kwatt.dev/v1alpha1/powerbudgets",
}
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}


class Node(NamedTuple):
    """What of a node decides watts."""

    labels: Mapping[str, str]
    capacity: Mapping[str, int]
    share: int | None


class Pod(NamedTuple):
    """A pod that was given to a node: bound to it, or without a gate and pinned to it."""

    node: str | None
    hostname: str | None
    asked: Mapping[str, int]


class NpuClass(NamedTuple):
    """Where a product is, and what one of it draws."""

    selector: Body
    resources: tuple[str, ...]
    idle: int
    most: int


class Budget(NamedTuple):
    """A cap as its administrator wrote it."""

    selector: Body
    watts: int
    host: int
    empty_off: bool
    windows: tuple[Body, ...]


class Record(NamedTuple):
    """A change of one object (None: it is gone), or with `every` a whole list."""

    version: int
    at: float
    kind: str
    key: str
    value: Any = None
    every: Mapping[str, Any] | None = None


class Violation(NamedTuple):
    """A pod or a share that took a budget above its cap."""

    what: str
    budget: str
    watts: float
    cap: float
    node: str
    key: str
    version: int
    at: str


# ---- reading


def amount(value: Any) -> Fraction:
    """Read a Kubernetes quantity with a decimal suffix."""
    text = str(value)
    suffix = text[-1] if text[-1:].isalpha() else ""
    return Fraction(text.removesuffix(suffix)) * Fraction(10) ** _SUFFIXES[suffix]


def milliwatts(value: Any) -> int:
    """Read watts; what is finer than a milliwatt counts as a whole one."""
    return ceil(amount(value) * 1000)


def _extended(resources: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(amount(count)) for name, count in resources.items() if "/" in name}


def read_node(body: Body) -> Node:
    """Read a Node."""
    status = body.get("status") or {}
    capacity = _extended(status.get("capacity") or {})
    share = _extended(status.get("allocatable") or {}).get(WATTS, capacity.get(WATTS))
    return Node(body["metadata"].get("labels") or {}, capacity, share)


def read_pod(body: Body) -> Pod | None:
    """Read a Pod; None while it holds nothing of a node."""
    spec = body["spec"]
    if (body.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return None
    if spec.get("schedulingGates") and not spec.get("nodeName"):
        return None
    asked: dict[str, int] = {}
    for container in spec["containers"]:
        requests = (container.get("resources") or {}).get("requests") or {}
        for name, count in _extended(requests).items():
            asked[name] = asked.get(name, 0) + count
    node = spec.get("nodeName") or _pinned_by_name(spec)
    hostname = (spec.get("nodeSelector") or {}).get(HOSTNAME)
    return Pod(node, hostname, asked) if asked and (node or hostname) else None


def _pinned_by_name(spec: Body) -> str | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one["key"] == "metadata.name":
                return str(one["values"][0])
    return None


def read_class(body: Body) -> NpuClass | None:
    """Read an NPUClass; None where figures are missing."""
    spec = body["spec"]
    watts = spec.get("watts") or {}
    if not spec.get("nodeSelector") or not spec.get("resourceName") or "max" not in watts:
        return None
    names = (spec["resourceName"], *(spec.get("alternativeResourceNames") or ()))
    return NpuClass(
        spec["nodeSelector"], names, milliwatts(watts.get("idle", 0)), milliwatts(watts["max"])
    )


def read_budget(body: Body) -> Budget:
    """Read a PowerBudget."""
    spec = body["spec"]
    return Budget(
        selector=spec["nodeSelector"],
        watts=milliwatts(spec["watts"]),
        host=milliwatts(spec.get("hostWatts", 0)),
        empty_off=spec.get("emptyNodes") == "PoweredOff",
        windows=tuple(spec.get("windows") or ()),
    )


READERS: Mapping[str, Callable[[Body], Any]] = {
    "node": read_node,
    "pod": read_pod,
    "class": read_class,
    "budget": read_budget,
}


def matches(selector: Body, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector matches."""
    pairs = (selector.get("matchLabels") or {}).items()
    if not all(labels.get(key) == value for key, value in pairs):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(one: Body, labels: Mapping[str, str]) -> bool:
    present, value = one["key"] in labels, labels.get(one["key"])
    return {
        "In": present and value in one.get("values", ()),
        "NotIn": value not in one.get("values", ()),
        "Exists": present,
        "DoesNotExist": not present,
    }[one["operator"]]


def cap_at(budget: Budget, at: float) -> int:
    """Return the least cap of the open windows, else the budget's own."""
    caps = []
    for window in budget.windows:
        with contextlib.suppress(OSError, ValueError, KeyError):  # no such time zone
            now = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(window["timeZone"]))
            if _is_open(window, now):
                caps.append(milliwatts(window["watts"]))
    return min(caps, default=budget.watts)


def _is_open(window: Body, now: datetime) -> bool:
    days = window.get("days") or ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    clock, today = now.strftime("%H:%M"), now.strftime("%a")
    yesterday = (now - timedelta(days=1)).strftime("%a")
    if window["from"] < window["to"]:
        return today in days and window["from"] <= clock < window["to"]
    late = today in days and window["from"] <= clock
    return late or (yesterday in days and clock < window["to"])


# ---- the history, replayed


class Draw(NamedTuple):
    """Milliwatts of one node: idle, foreign above idle, pods with watts above idle, its share."""

    idle: int
    foreign: int
    own: int
    share: int

    def counted(self, empty_off: bool, *, by_share: bool) -> int:
        """Return what counts against a budget."""
        own = max(self.own, self.share) if by_share else self.own
        dark = empty_off and not self.foreign and not own
        return (0 if dark else self.idle) + self.foreign + own


class State:
    """The cluster at one instant. Sums are kept per node, so that a change costs little."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {kind: {} for kind in PATHS}
        self._seats: dict[str, str] = {}
        self._on: dict[str, set[str]] = {}
        self._draws: dict[str, Draw] = {}
        self._covered: dict[str, tuple[str, ...]] = {}

    def take(self, record: Record) -> None:
        """Move on by one record."""
        table = self.tables[record.kind]
        if record.every is not None:
            table.clear()
            table.update(record.every)
        elif record.value is None:
            table.pop(record.key, None)
        else:
            table[record.key] = record.value
        if record.kind == "pod" and record.every is None:
            self._seat(record.key)
        elif record.kind != "pod":
            self._forget(record)
        else:
            self._seat_all()

    def _forget(self, record: Record) -> None:
        self._covered = {}
        if record.kind == "budget":
            return
        self._draws = {}
        if record.kind == "node":
            self._seat_all()

    def _seat_all(self) -> None:
        self._seats, self._on, self._draws = {}, {}, {}
        for key in self.tables["pod"]:
            self._seat(key)

    def _seat(self, key: str) -> None:
        before = self._seats.pop(key, None)
        if before is not None:
            self._on[before].discard(key)
            self._draws.pop(before, None)
        pod = self.tables["pod"].get(key)
        if pod is not None:
            node = self._seats[key] = self._place(pod)
            self._on.setdefault(node, set()).add(key)
            self._draws.pop(node, None)

    def _place(self, pod: Pod) -> str:
        if pod.node:
            return pod.node
        nodes = self.tables["node"].items()
        return next((n for n, one in nodes if one.labels.get(HOSTNAME) == pod.hostname), "")

    def place(self, key: str) -> str:
        """Return the node that a pod was given to."""
        return self._seats.get(key, "")

    def draw(self, name: str) -> Draw:
        """Return what a node draws."""
        if name not in self._draws:
            self._draws[name] = self._drawn(name)
        return self._draws[name]

    def _drawn(self, name: str) -> Draw:
        node: Node = self.tables["node"][name]
        pods = [self.tables["pod"][key] for key in self._on.get(name, ())]
        own = sum(pod.asked.get(WATTS, 0) for pod in pods) * 1000
        share = (node.share or 0) * 1000
        known = self._class_of(node)
        if known is None:
            return Draw(0, 0, own, share)
        npu_class, count = known
        strangers = [pod for pod in pods if not pod.asked.get(WATTS)]
        npus = sum(pod.asked.get(one, 0) for pod in strangers for one in npu_class.resources)
        foreign = (npu_class.most - npu_class.idle) * npus
        return Draw(npu_class.idle * count, foreign, own, share)

    def _class_of(self, node: Node) -> tuple[NpuClass, int] | None:
        classes = self.tables["class"].values()
        found = [one for one in classes if matches(one.selector, node.labels)]
        if len(found) != 1:
            return None
        counts = (node.capacity.get(name, 0) for name in found[0].resources)
        return found[0], next((count for count in counts if count), 0)

    def covered(self, name: str) -> tuple[str, ...]:
        """Return the nodes under a budget."""
        if name not in self._covered:
            selector, nodes = self.tables["budget"][name].selector, self.tables["node"]
            found = (node for node in sorted(nodes) if matches(selector, nodes[node].labels))
            self._covered[name] = tuple(found)
        return self._covered[name]

    def total(self, name: str, *, by_share: bool = False) -> int:
        """Return the milliwatts that count against a budget."""
        budget: Budget = self.tables["budget"][name]
        draws = (self.draw(node) for node in self.covered(name))
        return budget.host + sum(one.counted(budget.empty_off, by_share=by_share) for one in draws)


class History:
    """What happened, replayed in the order of the API server's versions."""

    def __init__(self, records: list[Record], begin: int) -> None:
        self.state = State()
        self.violations: list[Violation] = []
        self.peaks: dict[str, int] = {}
        self._fixed: dict[str, Any] = {}
        self._changed_at: dict[str, float] = {}
        for record in sorted(records, key=lambda one: one.version):
            before = self._before(record)
            self.state.take(record)
            if record.version >= begin:  # earlier not every kind is known
                self._check(record, before)

    def over(self, at: float) -> dict[str, tuple[float, float]]:
        """Return the budgets above their cap in the end, with watts and cap."""
        budgets = self.state.tables["budget"]
        sums = {name: (self.state.total(name), cap_at(one, at)) for name, one in budgets.items()}
        return {n: (total / 1000, cap / 1000) for n, (total, cap) in sums.items() if total > cap}

    def _before(self, record: Record) -> int:
        """Return the watts that the object of a record held or advertised."""
        if record.kind == "pod" and (pod := self.state.tables["pod"].get(record.key)):
            moved = record.value is not None and record.value.node not in (None, pod.node)
            return 0 if moved and pod.node else pod.asked.get(WATTS, 0)
        if record.kind == "node" and (node := self.state.tables["node"].get(record.key)):
            return node.share or 0
        return 0

    def _check(self, record: Record, before: int) -> None:
        self._note_fixed(record)
        for name in self.state.tables["budget"]:
            self.peaks[name] = max(self.peaks.get(name, 0), self.state.total(name))
        if record.value is None:
            return
        if record.kind == "pod" and record.value.asked.get(WATTS, 0) > before:
            self._compare(record, self.state.place(record.key), "pods")
        elif record.kind == "node" and (record.value.share or 0) > before:
            self._compare(record, record.key, "share")

    def _compare(self, record: Record, node: str, what: str) -> None:
        for name, budget in self.state.tables["budget"].items():
            total = self.state.total(name, by_share=what == "share")
            cap, since = cap_at(budget, record.at), record.at - self._changed_at.get(name, 0.0)
            if node in self.state.covered(name) and total > cap and since > GRACE:
                at = datetime.fromtimestamp(record.at, UTC).isoformat(timespec="milliseconds")
                rest = (node, record.key, record.version, at)
                self.violations.append(Violation(what, name, total / 1000, cap / 1000, *rest))

    def _note_fixed(self, record: Record) -> None:
        """Note when what KWatt does not decide has changed: caps, nodes, foreign pods."""
        if record.kind == "pod" and record.value and record.value.asked.get(WATTS):
            return
        for name, budget in self.state.tables["budget"].items():
            nodes = self.state.covered(name)
            fixed = (cap_at(budget, record.at), budget, [self.state.draw(n)[:2] for n in nodes])
            if self._fixed.get(name) != fixed:
                self._fixed[name] = fixed
                self._changed_at[name] = record.at


# ---- the watches


class Observer:
    """Four watches, each in a thread of its own; `history` replays what they saw."""

    def __init__(self, kubeconfig: Path) -> None:
        self._server, self._context, self._headers = access(kubeconfig)
        self._records: list[Record] = []
        self._begin: dict[str, int] = {}
        self._listed = {kind: threading.Event() for kind in PATHS}
        self._end = threading.Event()
        self._sockets: dict[str, socket.socket] = {}

    def start(self) -> Observer:
        """Begin to watch; return when every kind was listed."""
        for kind in PATHS:
            threading.Thread(target=self._follow, args=(kind,), daemon=True).start()
        for kind, listed in self._listed.items():
            if not listed.wait(60):
                raise RuntimeError(f"{kind}: not listed within 60 s")
        return self

    def stop(self) -> None:
        """End the watches."""
        self._end.set()
        for connection in list(self._sockets.values()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def history(self) -> History:
        """Replay all that was seen so far."""
        return History(list(self._records), max(self._begin.values()))

    def over(self, at: float | None = None) -> dict[str, tuple[float, float]]:
        """Return the budgets that are above their cap now, or were at a time since this began."""
        at = time.time() if at is None else at
        records = [record for record in self._records if record.at <= at]
        return History(records, max(self._begin.values())).over(at)

    @property
    def age(self) -> float:
        """Return for how many seconds nothing has changed."""
        return time.time() - max(record.at for record in self._records)

    @property
    def seen(self) -> int:
        """Return how many changes were seen."""
        return len(self._records)

    def _follow(self, kind: str) -> None:
        version: str | None = None
        while not self._end.is_set():
            try:
                version = version or self._list(kind)
                version = self._watch(kind, version)
            except (OSError, http.client.HTTPException, ValueError):  # the API server is away
                self._end.wait(0.3)

    def _list(self, kind: str) -> str:
        with self._get(kind, PATHS[kind]) as answer:
            body = json.load(answer)
        values = {_key(item): _read(kind, item) for item in body["items"]}
        every = {key: value for key, value in values.items() if value is not None}
        version = str(body["metadata"]["resourceVersion"])
        self._records.append(Record(int(version), time.time(), kind, "", every=every))
        self._begin.setdefault(kind, int(version))
        self._listed[kind].set()
        return version

    def _watch(self, kind: str, version: str) -> str | None:
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion={version}"
        with self._get(kind, PATHS[kind] + query) as answer:
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return None  # too old: list again
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._note(kind, event["type"], event["object"])
        return version

    def _note(self, kind: str, event: str, body: Body) -> None:
        value = None if event == "DELETED" else _read(kind, body)
        version = int(body["metadata"]["resourceVersion"])
        self._records.append(Record(version, time.time(), kind, _key(body), value))

    @contextlib.contextmanager
    def _get(self, kind: str, path: str) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPSConnection(self._server, timeout=90, context=self._context)
        try:
            connection.request("GET", path, headers=self._headers)
            self._sockets[kind] = connection.sock
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise http.client.HTTPException(f"{answer.status} {path}")
            yield answer
        finally:
            connection.close()


def _read(kind: str, body: Body) -> Any:
    """Read an object; one that is no cap and no class of anything counts for nothing."""
    try:
        return READERS[kind](body)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _key(body: Body) -> str:
    metadata = body["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}".removeprefix("/")


def access(kubeconfig: Path) -> tuple[str, ssl.SSLContext, dict[str, str]]:
    """Read server and credentials of the current context, all of them inline in the file."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    tls = ssl.create_default_context()
    if ca := cluster.get("certificate-authority-data"):
        tls = ssl.create_default_context(cadata=base64.b64decode(ca).decode())
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if "client-certificate-data" in user:
        _load_certificate(tls, user["client-certificate-data"], user["client-key-data"])
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return urlsplit(cluster["server"]).netloc, tls, headers


def _named(items: list[Body], name: str) -> Body:
    return next(item for item in items if item["name"] == name)


def _load_certificate(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    with tempfile.NamedTemporaryFile(dir=os.environ.get("XDG_RUNTIME_DIR")) as file:
        for part in (certificate, key):
            file.write(base64.b64decode(part) + b"\n")
        file.flush()
        tls.load_cert_chain(file.name)


def main() -> int:
    """Observe for some seconds, print violations as JSON lines and a summary on standard error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    chosen = parser.parse_args()
    observer, end = Observer(chosen.kubeconfig).start(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    print("observing", file=sys.stderr, flush=True)
    end.wait(chosen.seconds)
    observer.stop()
    history = observer.history()
    for violation in history.violations:
        print(json.dumps(violation._asdict()))
    peaks = {name: watts / 1000 for name, watts in sorted(history.peaks.items())}
    summary = {"changes": observer.seen, "violations": len(history.violations), "peaks": peaks}
    print(json.dumps(summary), file=sys.stderr)
    return 1 if history.violations else 0


if __name__ == "__main__":
    sys.exit(main())
