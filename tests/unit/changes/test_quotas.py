"""What quotas leave for one pod more, at this moment."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.changes.quotas import QuotaRoom
from unit.changes.scenes import GROUP, cluster, pod

RUNS = pod("runs", node="n1", cpu_milli=500)


def test_running_and_ending_pods_and_those_of_others_are_counted() -> None:
    ending = replace(RUNS, key=RUNS.key._replace(name="ending"), terminating=True)
    for hard, fits in ((200, True), (199, False)):
        quota = replace(b.quota({"kwatt.dev/watts": hard}), used_by_others={"kwatt.dev/watts": 50})
        room = QuotaRoom(cluster(RUNS, ending, quotas=[quota]))

        assert room.has_room(GROUP, RUNS) is fits


def test_each_pod_more_takes_its_part() -> None:
    room = QuotaRoom(cluster(RUNS, quotas=[b.quota({"pods": 2, "cpu": 5000})]))

    assert room.has_room(GROUP, RUNS)
    room.take(GROUP, RUNS)
    assert not room.has_room(GROUP, RUNS)


def test_a_pod_that_waits_behind_its_gate_has_its_part_already() -> None:
    room = QuotaRoom(cluster(RUNS, pod("waits"), quotas=[b.quota({"pods": 2})]))

    assert room.has_room(GROUP, RUNS)
    room.take(GROUP, RUNS)
    assert not room.has_room(GROUP, RUNS)


def test_what_a_pod_does_not_ask_for_may_be_used_up() -> None:
    room = QuotaRoom(cluster(RUNS, quotas=[b.quota({"kwatt.dev/watts": 0})]))

    assert room.has_room(GROUP, replace(RUNS, watts=0))
