"""What happens to a simulated cluster: its first state, and what people and machines do to it then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

import builders as b
from kwatt import names
from kwatt.model.npu import Profile
from kwatt.model.selectors import LabelSelector, Requirement
from kwatt.observation.values import (
    ParsedBudget,
    ParsedClass,
    ParsedDeployment,
    ParsedNode,
    ParsedPod,
    ParsedPriority,
    ParsedProfile,
    ParsedService,
)
from laws.simulation import NAMESPACE, Cluster, with_share
from laws.strategies import CLASSES

NODES = ("n1", "n2", "n3")
BUDGETS = ("b1", "b2", "b3")
CAPS = (60, 130, 150, 180, 210, 250, 330, 800)
RATES = (45, 90, 200, 400)
MODELS: dict[str, tuple[Profile, ...]] = {
    # the second measurement of a model replaces the first at some moment
    "yolo": (
        b.profile(b.point(100, 40), b.point(200, 70.5), b.point(250, 100, npu_class="rngd")),
        b.profile(b.point(100, 45), b.point(200, 88), b.point(250, 140, npu_class="rngd")),
    ),
    "bert": (
        b.profile(b.point(90, 60, env={"BATCH": "1"}), b.point(160, 95, npus=2), name="bert"),
        b.profile(b.point(90, 50, env={"BATCH": "1"}), b.point(160, 70, npus=2), name="bert"),
    ),
    "tiny": (
        b.profile(b.point(50, 11), name="tiny"),
        b.profile(b.point(50, 12), name="tiny"),
    ),
}


MODELS_WANTED = ("yolo", "bert", "yolo", "tiny")


class Event(NamedTuple):
    """Something that happens; the numbers choose the object and how much."""

    name: str
    which: int = 0
    amount: int = 0


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Draw a cluster of up to three nodes, budgets and services; nothing runs yet but foreign pods."""
    cluster = Cluster()
    add_catalogue(cluster)
    budgets = BUDGETS[: draw(st.integers(1, 3))]
    for name in NODES[: draw(st.integers(2, 3))]:
        under = {budgets[0]} | draw(st.sets(st.sampled_from(budgets)))
        npu_class, npus = draw(st.sampled_from(("atom", "rngd"))), draw(st.integers(1, 2))
        cluster.put(name, new_node(name, npu_class, under, npus))
        if draw(st.sampled_from((False, False, False, True))):
            foreign_arrives(cluster, len(cluster.all(ParsedNode)) - 1, 0)
    for name in budgets:
        cap, host = draw(st.sampled_from(CAPS)), draw(st.sampled_from((0, 20)))
        cluster.put(name, new_budget(name, cap, host, empty_off=draw(st.booleans())))
    for number in range(draw(st.integers(1, 3))):
        add_service(cluster, number, draw(st.integers(0, 71)))
    return cluster


def letting_move(cluster: Cluster) -> Cluster:
    """Let replicas move under every budget, wherever a start pays within an hour."""
    for name, budget in cluster.all(ParsedBudget).items():
        cluster.put(name, replace(budget, moves_horizon=3600))
    return cluster


@st.composite
def sleepy_clusters(draw: st.DrawFn) -> Cluster:
    """Draw a cluster of alike nodes that are off while they are empty, and let replicas move."""
    cluster = Cluster()
    add_catalogue(cluster)
    for name in NODES:
        cluster.put(name, new_node(name, "atom", BUDGETS[:1], draw(st.integers(2, 4))))
    cap = draw(st.sampled_from((250, 330, 800)))
    cluster.put(BUDGETS[0], new_budget(BUDGETS[0], cap, 0, empty_off=True))
    for number in range(3):
        add_service(cluster, number, draw(st.integers(0, 71)))
    return letting_move(cluster)


def add_catalogue(cluster: Cluster) -> None:
    """Create the classes, the profiles and three priorities."""
    for one in CLASSES:
        cluster.put(one.name, ParsedClass(f"c-{one.name}", one.name, one.resources, one))
    for model, (profile, _) in MODELS.items():
        cluster.put(model, ParsedProfile(f"m-{model}", model, profile))
    for value in range(3):
        cluster.put(f"class-{value}", ParsedPriority(f"pc-{value}", f"class-{value}", value))


def new_node(name: str, npu_class: str, under: Iterable[str], npus: int = 2) -> ParsedNode:
    """Make a node of some NPUs under some budgets."""
    resource = next(c.resources[0] for c in CLASSES if c.name == npu_class)
    labels = {names.HOSTNAME_LABEL: name, "npu": npu_class} | dict.fromkeys(under, "yes")
    offered = {resource: npus}
    return ParsedNode(
        uid=f"n-{name}",
        name=name,
        labels=labels,
        capacity=offered,
        allocatable=offered,
        cpu_milli=64_000,
        memory_bytes=512 * b.GIB,
        pods=110,
    )


def new_budget(name: str, cap: int, host: int, *, empty_off: bool) -> ParsedBudget:
    """Make a budget over the nodes that carry its name as a label."""
    selector = LabelSelector((Requirement(name, "Exists"),))
    return ParsedBudget(f"b-{name}", name, selector, b.watts(cap), b.watts(host), empty_off)


Kind = TypeVar("Kind")


def _chosen(cluster: Cluster, kind: type[Kind], which: int) -> Kind | None:
    found: list[Any] = list(cluster.all(kind).values())
    return found[which % len(found)] if found else None


def add_service(cluster: Cluster, which: int, amount: int) -> None:
    """Create an InferenceService, or give one another rate and priority."""
    name = f"s{which % 3}"
    cluster.put(
        name,
        ParsedService(
            uid=f"s-{name}",
            namespace=NAMESPACE,
            name=name,
            generation=cluster.version,
            model=MODELS_WANTED[amount % len(MODELS_WANTED)],
            target=b.rate(RATES[amount // 4 % len(RATES)]),
            allowed=(None, ("atom",), ("rngd",))[amount % 3],
            priority_class=f"class-{(which + amount) // 3 % 3}",
        ),
    )


def remove_service(cluster: Cluster, which: int, amount: int) -> None:
    """Delete an InferenceService; the garbage collector does the rest."""
    cluster.drop(ParsedService, f"s{which % 3}")


def set_cap(cluster: Cluster, which: int, amount: int) -> None:
    """Edit a PowerBudget."""
    budget = _chosen(cluster, ParsedBudget, which)
    if budget:
        cluster.put(budget.name, replace(budget, cap=b.watts(CAPS[amount % len(CAPS)])))


def cordon(cluster: Cluster, which: int, amount: int) -> None:
    """Cordon a node, or uncordon it."""
    _edit_node(cluster, which, lambda n: replace(n, unschedulable=not n.unschedulable))


def lose(cluster: Cluster, which: int, amount: int) -> None:
    """Lose the kubelet of a node, or find it again."""
    _edit_node(cluster, which, lambda n: replace(n, ready=not n.ready))


def relabel(cluster: Cluster, which: int, amount: int) -> None:
    """Take the class's label off a node, or put it back."""

    def flipped(node: ParsedNode) -> ParsedNode:
        key, other = ("npu", "gone") if "npu" in node.labels else ("gone", "npu")
        labels = {k: v for k, v in node.labels.items() if k != key}
        return replace(node, labels=labels | {other: node.labels[key]})

    _edit_node(cluster, which, flipped)


def forget_share(cluster: Cluster, which: int, amount: int) -> None:
    """Reboot a node whose kubelet sets the extended resources to nothing."""
    _edit_node(cluster, which, lambda n: with_share(n, (None, 0)[amount % 2]))


def raise_share(cluster: Cluster, which: int, amount: int) -> None:
    """Give a node a larger share by hand."""
    _edit_node(
        cluster, which, lambda n: with_share(n, n.allocatable.get(names.WATTS, 0) + 10 * amount)
    )


def _edit_node(cluster: Cluster, which: int, edit: Callable[[ParsedNode], ParsedNode]) -> None:
    node = _chosen(cluster, ParsedNode, which)
    if node:
        cluster.put(node.name, edit(node))


def add_or_remove_node(cluster: Cluster, which: int, amount: int) -> None:
    """Remove a node, or add one of that name anew."""
    name, (b1, *others) = NODES[which % len(NODES)], BUDGETS
    if cluster.get(ParsedNode, name):
        cluster.drop(ParsedNode, name)
    else:
        under = [b1, *(budget for number, budget in enumerate(others) if amount >> number & 1)]
        cluster.put(name, new_node(name, ("atom", "rngd")[amount % 2], under))


def delete_pod(cluster: Cluster, which: int, amount: int) -> None:
    """Delete a pod by hand; it may take long to end."""
    pod = _chosen(cluster, ParsedPod, which)
    if pod:
        cluster.end(pod, rounds=amount % 5)


def remove_gate(cluster: Cluster, which: int, amount: int) -> None:
    """Remove the gate of a pod by hand, sometimes with a pin to some node."""
    gated = [pod for pod in cluster.all(ParsedPod).values() if pod.gated]
    if gated:
        pod = gated[which % len(gated)]
        pin = (*NODES, None, None)[amount % 5]
        cluster.put(pod.uid, replace(pod, gated=False, hostname=pin))


def resize_by_hand(cluster: Cluster, which: int, amount: int) -> None:
    """Run `kubectl scale` on a Deployment of KWatt's."""
    deployment = _chosen(cluster, ParsedDeployment, which)
    if deployment:
        generation = deployment.generation + 1
        resized = replace(deployment, replicas=amount % 4, generation=generation)
        cluster.put(deployment.name, resized)


def measure_again(cluster: Cluster, which: int, amount: int) -> None:
    """Replace the profile of a model."""
    model = tuple(MODELS)[which % len(MODELS)]
    profile = MODELS[model][amount % 2]
    cluster.put(model, ParsedProfile(f"m-{model}", model, profile, generation=cluster.version))


def foreign_arrives(cluster: Cluster, which: int, amount: int) -> None:
    """Bind a pod that is not KWatt's and asks for an NPU without watts, where one is free."""
    node = _chosen(cluster, ParsedNode, which)
    resource = next((r for r in node.capacity if r != names.WATTS), None) if node else None
    held = sum(
        pod.asked.get(resource or "", 0)
        for pod in cluster.all(ParsedPod).values()
        if node and pod.node == node.name
    )
    if node and resource and held < node.capacity[resource]:
        uid = f"foreign-{cluster.version}"
        pod = ParsedPod(uid, "mart", uid, node=node.name, asked={resource: 1})
        cluster.put(uid, pod)


TAME: dict[str, Callable[[Cluster, int, int], None]] = {
    "add_service": add_service,
    "remove_service": remove_service,
    "cap": set_cap,
    "cordon": cordon,
    "lose": lose,
    "relabel": relabel,
    "forget_share": forget_share,
    "node": add_or_remove_node,
    "delete_pod": delete_pod,
    "remove_gate": remove_gate,
    "resize": resize_by_hand,
    "measure": measure_again,
    "foreign": foreign_arrives,
}
EVENTS = TAME | {"raise_share": raise_share, "nothing": lambda *_: None}
# Services and caps change more often than anything else.
_OFTEN = ("nothing", "add_service", "add_service", "add_service", "remove_service", "cap", "cap")
EVENT = st.builds(
    Event, st.sampled_from((*_OFTEN, *EVENTS)), st.integers(0, 11), st.integers(0, 71)
)
CALM_EVENT = EVENT.filter(lambda event: event.name != "relabel")


def happen(cluster: Cluster, event: Event) -> None:
    """Let an event happen."""
    EVENTS[event.name](cluster, event.which, event.amount)
