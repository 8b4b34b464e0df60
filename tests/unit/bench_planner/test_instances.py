"""The generators: what the instances are, and that a seed decides all of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from bench.planner.fleet import CLUSTER, LOOSE, TIGHT
from bench.planner.instances import instance, instances, with_empty_nodes
from bench.planner.loads import Wish, cheapest, reserved_of
from bench.planner.manifests import manifests_of
from bench.planner.openb import all_pods, openb, rounding_loss
from bench.planner.problem import problem_of
from bench.planner.synthetic import SHAPES, Shape, synthetic
from kwatt.__main__ import main
from kwatt.model.snapshot import Snapshot
from kwatt.planning.plan import plan

SMALL = SHAPES[0]


def test_equal_seeds_give_equal_snapshots_and_others_do_not() -> None:
    assert synthetic(SMALL, 1) == synthetic(SMALL, 1)
    assert synthetic(SMALL, 1) != synthetic(SMALL, 2)


@pytest.mark.parametrize("load", [0.2, 0.3, 0.4])
def test_the_cheapest_ways_take_the_load_that_was_asked_for(load: float) -> None:
    snapshot = synthetic(replace(SMALL, load=load), 3)

    idle = {name: npu_class.idle.milliwatts for name, npu_class in snapshot.classes.items()}
    wishes = [
        Wish(s.model, s.target.per_second, s.min_replicas, s.latency_micros)
        for s in snapshot.services
    ]
    known = {
        name: replace(p, points=tuple(x for x in p.points if x.npu_class in idle))
        for name, p in snapshot.profiles.items()
    }
    taken = cheapest(wishes, known, idle, 1.0).npus.sum()
    assert taken / sum(n.npus_allocatable for n in snapshot.nodes) == pytest.approx(load, abs=0.02)


@pytest.mark.parametrize("caps", [LOOSE, TIGHT], ids=["loose", "tight"])
def test_racks_may_reserve_the_share_of_their_peak_that_the_caps_say(caps: object) -> None:
    snapshot = synthetic(replace(SMALL, caps=caps), 1)

    problem = problem_of(snapshot)
    densest: dict[int, float] = {}
    for curve in problem.curves:
        densest[curve.kind] = max(densest.get(curve.kind, 0), curve.reserved / curve.npus)
    for budget, members in zip(snapshot.budgets, problem.members, strict=True):
        peak = sum(int(problem.npus[n]) * densest[int(problem.kind[n])] for n in members.tolist())
        if budget.name != CLUSTER:
            share = budget.cap.milliwatts / peak
            assert caps.low - 0.01 <= share <= caps.high + 0.01  # type: ignore[attr-defined]
    racks = sum(b.cap.milliwatts for b in snapshot.budgets if b.name != CLUSTER)
    cluster = next(b for b in snapshot.budgets if b.name == CLUSTER)
    assert cluster.cap.milliwatts / racks == pytest.approx(0.9, abs=0.001)


def test_a_synthetic_fleet_has_what_the_reference_asks_for() -> None:
    snapshot = synthetic(SHAPES[1], 1)

    assert (len(snapshot.services), len(snapshot.nodes), len(snapshot.budgets)) == (1000, 1000, 51)
    assert len(snapshot.classes) == 10
    assert {n.npus_capacity for n in snapshot.nodes} <= {32, 64, 128}
    assert len({s.priority for s in snapshot.services}) == 5
    assert {s.min_replicas for s in snapshot.services} == {1, 2, 3}
    limited = sum(s.power_limit is not None for s in snapshot.services)
    assert 70 <= limited <= 130
    assert max(len(p.points) for p in snapshot.profiles.values()) <= 128
    for npu_class in snapshot.classes.values():
        assert 0.11 <= npu_class.idle.milliwatts / npu_class.max.milliwatts <= 0.36
        assert 75 <= 8 * npu_class.max.watts <= 600


def test_every_service_can_run_somewhere() -> None:
    for name in ("1kx10x1k-loose-30", "openb-30"):
        problem = problem_of(instance(name, 1))
        assert all(problem.usable(service) for service in problem.services)


def test_openb_is_the_inventory_and_the_pods_of_the_trace() -> None:
    snapshot = openb(100, 1)

    assert (len(snapshot.nodes), len(snapshot.classes), len(snapshot.services)) == (1213, 12, 4011)
    gpus = Counter(node.npu_class for node in snapshot.nodes)
    assert (gpus["g2-8"], gpus["t4-2"], gpus["g3-8"]) == (549, 387, 39)
    assert len(openb(30, 1).services) == 1203
    assert 0.02 < rounding_loss(all_pods()) < 0.03


def test_openb_watts_are_those_of_the_pwr_table() -> None:
    """A G2 node: two packages of 24 cores at 20 W and eight GPUs at 30 W idle, 150 W at most."""
    g2 = openb(30, 1).classes["g2-8"]

    assert 64 * g2.idle.watts == pytest.approx(2 * 20 + 8 * 30)
    assert 64 * g2.max.watts == pytest.approx(2 * 20 + 8 * 150)


def test_reserved_watts_are_whole_above_idle() -> None:
    points = next(p.points for p in synthetic(SMALL, 1).profiles.values() if p.points)
    one = [p for p in points if p.npu_class == points[0].npu_class and p.npus == points[0].npus]

    reserved = reserved_of(one, 1_234)

    above = reserved - one[0].npus * 1_234
    assert above % 1000 == 0
    assert 0 <= reserved - max(p.power.milliwatts for p in one) < 1000


@pytest.mark.parametrize("name", ["100x5x100-loose-30", "100x5x100-tight-40-idle"])
def test_the_exported_manifests_give_the_same_plan(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = instance(name, 1)
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(manifests_of(snapshot)))

    main(["plan", "-f", str(path), "--now", "2026-11-22T00:00:00Z", "-o", "json"])

    printed = json.loads(capsys.readouterr().out)
    assert printed["invalid"] == []
    assert printed["planHash"] == plan(snapshot).hash


def test_empty_nodes_are_off_or_idle_as_asked() -> None:
    name = "100x5x100-loose-20"

    assert all(budget.empty_off for budget in instance(name, 1).budgets)
    assert not any(budget.empty_off for budget in instance(f"{name}-idle", 1).budgets)
    again = with_empty_nodes(instance(f"{name}-idle", 1), powered_off=True)
    assert again == instance(name, 1)


def test_every_size_load_and_tightness_has_a_name() -> None:
    names = instances().keys()

    assert {"openb-30", "openb-60", "openb-100", "10kx20x5k-tight-40"} <= names
    assert len(names) == 2 * 3 + len(SHAPES) * 2 * 3


def test_no_clock_is_read() -> None:
    snapshot: Snapshot = synthetic(Shape(10, 2, 4, 1), 1)

    assert snapshot.now.tzinfo is UTC
    assert snapshot.now == synthetic(Shape(10, 2, 4, 1), 2).now
