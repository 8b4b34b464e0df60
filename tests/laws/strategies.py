"""Small but nasty worlds: nested and overlapping budgets, empty nodes off, lost nodes, foreign pods, quotas."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import settings
from hypothesis import strategies as st

import builders as b
from kwatt.model.keys import Variant
from kwatt.model.plan import Plan
from kwatt.model.selectors import Taint, Toleration
from kwatt.model.snapshot import Budget, Incumbent, Node, PodShape, Quota, Service, Snapshot

LAW = settings(max_examples=200, deadline=None, derandomize=True)

TAINT = Taint("dedicated", "city", "NoSchedule")
TOLERATION = Toleration("dedicated", "Equal", "city", "NoSchedule")
CLASSES = (
    b.npu_class("atom", idle=10, most=90, tolerations=()),
    b.npu_class("rngd", idle="12.345", most=180),
)
PROFILES = (
    b.profile(
        b.point(100, 40, 10),
        b.point(200, 70.5, 30),
        b.point(90, 50, 5, env={"BATCH": "1"}),
        b.point(300, 95, 25, npus=2),
        b.point(250, 100, 12, npu_class="rngd"),
        b.point(400, 130, 40, npu_class="rngd"),
        name="yolo",
    ),
    b.profile(
        b.point(50, 10, 10),
        b.point(150, 30, None),
        b.point(160, 31, 20),
        b.point(333.333333, "61.7", 20, npus=2),
        name="bert",
        memory=20 * b.GIB,
    ),
    b.profile(
        b.point(70, 55, 15, npu_class="rngd"), b.point(80, 56, 15, npu_class="gone"), name="rag"
    ),
)
VARIANTS = (
    b.variant(),
    b.variant(),
    b.variant(npus=2),
    b.variant("rngd"),
    b.variant(env={"BATCH": "1"}),
    Variant("gone", "npu/gone", 1, ""),
    Variant("atom", b.RESOURCE, 4, ""),
)
NODE_NAMES = ("n1", "n2", "n3", "n4")


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    """Draw a node, sometimes lost, cordoned, tainted, without class, short of cpu or with foreign pods."""
    npus = draw(st.sampled_from((4, 2, 3, 1)))
    other = draw(st.sampled_from(("",) * 10 + ("lost", "cordoned", "tainted", "foreign", "stuck")))
    npu_class = draw(st.sampled_from(("atom",) * 4 + ("rngd",) * 2 + (None,)))
    return b.node(
        name,
        npus,
        npu_class,
        npus_allocatable=npus - draw(st.sampled_from((0, 0, 0, 1))),
        ready=other != "lost",
        unschedulable=other == "cordoned",
        taints=(TAINT,) if other == "tainted" else (),
        foreign_npus=int(other == "foreign"),
        stuck_npus=int(other == "stuck"),
        stuck_watts=30 if other == "stuck" else 0,
        cpu_milli=draw(st.sampled_from((8000, 8000, 8000, 2000))),
        pods=draw(st.sampled_from((10, 10, 10, 2))),
    )


@st.composite
def incumbents(draw: st.DrawFn) -> Incumbent:
    """Draw replicas that run already: of a usable variant or not, on a node that exists or not."""
    variant = draw(st.sampled_from(VARIANTS))
    on = draw(st.sampled_from((*NODE_NAMES * 2, "gone")))
    return Incumbent(variant, on, draw(st.integers(1, 3)), draw(st.sampled_from((20, 61, 118))))


@st.composite
def services(draw: st.DrawFn, name: str) -> Service:
    """Draw a service with some limits; rarely one that is held."""
    least = draw(st.sampled_from((1, 1, 1, 2)))
    most = draw(st.sampled_from((None, None, None, 2, 5)))
    limit = draw(st.sampled_from((None,) * 6 + (100, 250)))
    running = draw(st.lists(incumbents(), max_size=2))
    found = {(i.variant, i.node): i for i in running}
    return b.service(
        name,
        draw(st.sampled_from((45, 100, "133.7", 210, 300, 390, 700))),
        namespace=draw(st.sampled_from(("city", "mart"))),
        model=draw(st.sampled_from(("yolo",) * 6 + ("bert",) * 3 + ("rag", "absent"))),
        priority=draw(st.integers(0, 2)),
        latency_micros=draw(st.sampled_from((None, None, 15_000, 30_000))),
        power_limit=None if limit is None else b.watts(limit),
        allowed=draw(st.sampled_from((None,) * 4 + (("atom",), ("rngd", "absent")))),
        min_replicas=least,
        max_replicas=most,
        shape=PodShape(
            cpu_milli=1000,
            memory_bytes=b.GIB,
            affinity=draw(st.sampled_from((None,) * 6 + (b.on_hosts("n1", "n2"),))),
            tolerations=draw(st.sampled_from(((), (TOLERATION,)))),
        ),
        incumbents=tuple(found.values()),
        held=draw(st.sampled_from((None,) * 15 + ("ModelProfile is gone",))),
    )


@st.composite
def budgets(draw: st.DrawFn, name: str) -> Budget:
    """Draw a budget over some nodes; any two may be nested, apart or overlap."""
    return b.budget(
        name,
        draw(st.sampled_from((60, 100, 130, 160, 200, 240, 280, 350, 420, 600))),
        draw(st.sets(st.sampled_from((*NODE_NAMES, "gone")), min_size=2)),
        host=draw(st.sampled_from((0, 20))),
        empty_off=draw(st.booleans()),
    )


@st.composite
def quotas(draw: st.DrawFn) -> Quota:
    """Draw a quota of one namespace on some of watts, NPUs, cpu and pods."""
    hard = draw(
        st.dictionaries(
            st.sampled_from(("kwatt.dev/watts", b.RESOURCE, "cpu", "pods")),
            st.sampled_from((0, 2, 5, 100, 3000)),
            min_size=1,
        )
    )
    return replace(b.quota(hard), used_by_others={"pods": draw(st.integers(0, 1))})


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw a world of up to four nodes, three budgets and four services."""
    names = NODE_NAMES[: draw(st.sampled_from((3, 4, 2, 1)))]
    return b.snapshot(
        [draw(services(f"s{n}")) for n in range(draw(st.sampled_from((3, 4, 2, 1))))],
        [draw(nodes(name)) for name in names],
        [draw(budgets(f"b{n}")) for n in range(draw(st.sampled_from((1, 2, 3, 0))))],
        classes=CLASSES,
        profiles=PROFILES,
        quotas=[draw(quotas())] if draw(st.integers(0, 4)) == 1 else (),
    )


@st.composite
def crowds(draw: st.DrawFn, most: int = 6, running: bool = True) -> Snapshot:
    """Draw a world of up to four nodes and `most` services that compete: racks in a row, some PoweredOff.

    Most nodes and services are usable, other than in `snapshots`. Unless some are `running`, no service
    has replicas yet; those that run do so on nodes with their NPUs.
    """
    chance = draw(st.randoms(use_true_random=True))
    names = NODE_NAMES[: chance.choice((4, 4, 3, 2))]
    rows = [("row", names), ("rack0", names[:2]), ("rack1", names[2:]), ("other", names[1:3])]
    hard = {
        key: chance.choice((2, 5, 8, 300, 5000)) for key in ("kwatt.dev/watts", b.RESOURCE, "pods")
    }
    one = chance.choice(tuple(hard))
    usable = [_usable(chance, name) for name in names]
    runs_on = chance.choices(usable, k=most) if running else []
    return b.snapshot(
        [_rival(chance, f"s{n:02}", runs_on[n:][:1]) for n in range(chance.randint(2, most))],
        usable,
        [
            b.budget(
                name,
                chance.choice((130, 200, 240, 300, 350, 420, 500, 600, 900))
                * (1 + (name == "row")),
                under,
                host=chance.choice((0, 20)),
                empty_off=chance.random() < 0.5,
            )
            for name, under in chance.sample(rows, chance.choice((0, 1, 2, 3, 4)))
            if under
        ],
        classes=CLASSES,
        profiles=PROFILES,
        quotas=[b.quota({one: hard[one]})] if chance.random() < 0.25 else (),
    )


def _usable(chance: Random, name: str) -> Node:
    """Return a node that is ready, sometimes with foreign pods or few pods, or tainted."""
    npus = chance.choice((4, 4, 3, 2, 1))
    return b.node(
        name,
        npus,
        chance.choice(("atom", "atom", "rngd")),
        foreign_npus=int(chance.random() < 0.1),
        taints=(TAINT,) if chance.random() < 0.1 else (),
        cpu_milli=chance.choice((8000, 8000, 3000)),
        pods=chance.choice((10, 10, 3)),
    )


def _rival(chance: Random, name: str, runs_on: list[Node]) -> Service:
    """Return a service of one of three priorities, with few limits, that may run on the node given."""
    running = [
        Incumbent(
            chance.choice([v for v in VARIANTS if v.npu_class == node.npu_class]), node.name, 1, 61
        )
        for node in runs_on
        if chance.random() < 0.3
    ]
    limit = chance.choice((None,) * 6 + (150, 300))
    return b.service(
        name,
        chance.choice((45, 100, "133.7", 210, 300, 390, 700)),
        namespace=chance.choice(("city", "mart")),
        model=chance.choice(("yolo", "yolo", "bert")),
        priority=chance.choice((0, 0, 1, 2)),
        latency_micros=chance.choice((None, None, None, 30_000, 15_000)),
        power_limit=None if limit is None else b.watts(limit),
        allowed=chance.choice((None,) * 5 + (("atom",), ("rngd",))),
        min_replicas=chance.choice((1, 1, 1, 1, 2)),
        max_replicas=chance.choice((None, None, None, 2, 5)),
        shape=PodShape(
            cpu_milli=1000,
            memory_bytes=b.GIB,
            affinity=b.on_hosts("n1", "n2") if chance.random() < 0.1 else None,
            tolerations=(TOLERATION,) if chance.random() < 0.5 else (),
        ),
        incumbents=tuple(running),
    )


def with_plan_running(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """Return the snapshot after the plan was carried out: its placements are the incumbents."""
    running: dict[object, list[Incumbent]] = {}
    for p in plan.placements:
        npu_class = snapshot.classes.get(p.variant.npu_class)
        idle = npu_class.idle.milliwatts * p.variant.npus if npu_class else 0
        above_idle = (p.reserved.milliwatts // p.replicas - idle) // 1000
        incumbent = Incumbent(p.variant, p.node, p.replicas, above_idle)
        running.setdefault(p.service, []).append(incumbent)
    return replace(
        snapshot,
        services=tuple(
            replace(s, incumbents=tuple(running.get(s.key, ()))) for s in snapshot.services
        ),
    )
