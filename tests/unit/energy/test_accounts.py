"""Joules, watts and rates of small scenes that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import builders as b
from kwatt.energy.accounts import Books
from kwatt.energy.holdings import Served
from kwatt.model.measurements import Counted, Loss
from kwatt.model.npu import Scope
from kwatt.model.telemetry import MeterSample, Readings, Refusal, Refused, Source
from kwatt.units import Energy, Throughput
from unit.energy.scenes import CAM, OCR, Meter, at, card, count, holder, holdings, pool


def joules(amount: float) -> Energy:
    return Energy(round(amount * 1000))


def test_a_held_card_is_its_services_and_an_idle_one_only_the_nodes() -> None:
    meter = Meter(holdings(holder("a"))).steady(range(0, 61, 15))

    assert meter.service().counted.energy == joules(50 * 60)
    assert meter.service().power == b.watts(50)
    assert meter.budget().counted.energy == meter.npu_class().counted.energy == joules(60 * 60)
    assert meter.budget().power == b.watts(60)


def test_between_two_samples_power_is_taken_to_change_evenly() -> None:
    meter = Meter(holdings(holder("a"), npus=1))
    meter.take(card(0, 0, 20, "a"), seconds=0).take(card(0, 10, 40, "a"), seconds=10)

    assert meter.service().counted.energy == joules(300)


def test_a_gap_is_not_integrated_but_counted() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 15, 30, 3630, 3645])

    counted = meter.service().counted
    assert counted.energy == joules(50 * 45)
    assert counted.unmeasured_seconds == 3600


def test_while_an_exporter_is_silent_the_age_grows_and_nothing_is_made_up() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 15, 30])

    lost = meter.take(seconds=330).service()
    assert (lost.power, lost.loss) == (None, Loss.STALE)
    assert lost.lost == "no watts for 5 min (node n1)"
    assert lost.counted.unmeasured_seconds == 300
    assert lost.counted.energy == joules(50 * 30)


def test_the_refusal_that_is_behind_a_loss_is_told() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 15])
    told = Refused(
        Source.EXPORTER, "exporter on n1", Refusal.TIMED_OUT, "no end after 5 s",
        npu_class=b.ATOM, node="n1",
    )  # fmt: skip

    meter.accounts.take(Readings(refused=(told,)), meter.scene, at(90))
    meter.now = at(90)
    assert meter.service().lost == "no watts for 75 s (exporter on n1: TimedOut: no end after 5 s)"


def test_a_service_none_of_whose_cards_was_ever_read_says_why_and_has_no_joules() -> None:
    meter = Meter(holdings(holder("a")))
    told = Refused(
        Source.EXPORTER, "exporter on n1", Refusal.UNKNOWN_METRICS, "looked for x; saw y",
        npu_class=b.ATOM, node="n1",
    )  # fmt: skip

    meter.accounts.take(Readings(refused=(told,)), meter.scene, at(5))
    assert meter.service().loss is Loss.NEVER_READ
    assert "looked for x; saw y" in (meter.service().lost or "")
    assert meter.service().counted == Counted()


def test_a_server_that_refuses_a_whole_class_is_told_until_it_answers() -> None:
    meter = Meter(holdings(holder("a")))
    away = Refused(Source.PROMETHEUS, "atom", Refusal.UNREACHABLE, "no route", npu_class=b.ATOM)

    meter.accounts.take(Readings(refused=(away,)), meter.scene, at(5))
    assert (meter.service().loss, meter.service().lost) == (
        Loss.NEVER_READ,
        "no watts were ever read (atom: Unreachable: no route)",
    )
    meter.steady([15, 30])
    meter.accounts.take(Readings(refused=(away,)), meter.scene, at(105))
    meter.now = at(105)
    assert meter.service().lost == "no watts for 75 s (atom: Unreachable: no route)"
    meter.steady([120])
    meter.accounts.take(Readings(), meter.scene, at(210))
    meter.now = at(210)
    assert "Unreachable" not in (meter.service().lost or "")


def test_one_of_two_cards_lost_leaves_no_sum_of_what_is_known() -> None:
    meter = Meter(holdings(holder("a", npus=2)))
    for seconds in range(0, 91, 15):
        cards = [card(0, seconds, 50, "a")] + ([card(1, 0, 50, "a")] if seconds == 0 else [])
        meter.take(*cards, seconds=seconds)

    lost = meter.service()
    assert (lost.power, lost.loss) == (None, Loss.PARTLY_READ)
    assert lost.lost == "no watts of 1 of 2 NPUs for 90 s (node n1)"


def test_a_card_that_passes_to_another_pod_is_counted_once() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 10])
    meter.scene = holdings(holder("b", OCR))
    meter.steady([20, 30], name="b")

    cam, ocr = meter.service(CAM).counted.energy, meter.service(OCR).counted.energy
    assert (cam, ocr) == (joules(750), joules(750))
    assert meter.npu_class().counted.energy == joules(60 * 30)


def test_a_pod_that_moves_to_another_node_goes_on() -> None:
    two = {"n2": pool(npus=1)}
    meter = Meter(holdings(holder("a"), npus=1, **two))
    for seconds in (0, 10):
        idle = card(0, seconds, 10, node="n2")
        meter.take(card(0, seconds, 50, "a"), idle, seconds=seconds)
    meter.scene = holdings(npus=1, n2=pool(holder("b"), npus=1))
    for seconds in (20, 30):
        held = card(0, seconds, 50, "b", node="n2")
        meter.take(card(0, seconds, 10), held, seconds=seconds)

    assert meter.service().counted.energy == joules(50 * 30)
    assert meter.service().counted.unmeasured_seconds == 0


def test_a_label_that_names_a_pod_of_another_node_gives_it_nothing() -> None:
    meter = Meter(holdings(holder("a"), npus=1, n2=pool(holder("far", OCR), npus=1)))
    for seconds in (0, 10):
        meter.take(card(0, seconds, 50, "far", "a"), seconds=seconds)

    measured = meter.accounts.measurements(meter.now).services
    assert measured[CAM].counted.energy == joules(500)
    assert OCR not in measured


def test_after_a_restart_joules_go_on_and_the_time_between_is_unmeasured() -> None:
    before = Meter(holdings(holder("a"))).steady([0, 15, 30]).service().counted
    after = Meter(holdings(holder("a")), Books(services={CAM: before}), begun=40)
    after.steady([45, 60])

    counted = after.service().counted
    assert counted.energy == joules(50 * 45)
    assert counted.unmeasured_seconds == 15
    assert counted.since == before.since


def test_what_held_nothing_when_it_was_written_last_has_lost_no_time() -> None:
    rested = Counted(joules(7), b.NOW, 3, at=None, scope=Scope.DEVICE)
    meter = Meter(holdings(holder("a")), Books(services={CAM: rested}), begun=5000)
    meter.steady([5000, 5015])

    assert meter.service().counted.unmeasured_seconds == 3
    assert meter.service().counted.energy == joules(7 + 50 * 15)


def test_a_wall_clock_that_jumps_makes_no_energy() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 15])
    jumped = at(30)._replace(wall=b.NOW + timedelta(days=400))
    meter.accounts.take(Readings(cards=(card(0, 30, 50, "a"),)), meter.scene, jumped)

    assert meter.service().counted.energy == joules(50 * 30)
    assert meter.service().counted.unmeasured_seconds == 0


def test_a_service_without_replicas_holds_nothing_and_loses_nothing() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 15])
    meter.scene = holdings()
    meter.steady([30, 45, 600], name="")

    assert meter.service().counted.at is None
    assert meter.service().lost is None
    assert meter.service().power is None
    assert meter.service().counted.unmeasured_seconds == 0


def test_where_an_exporter_names_no_pods_watts_are_shared_out_by_plan_and_estimated() -> None:
    scene = holdings(holder("a", watts=60), holder("b", OCR, watts=30), npus=3)
    meter = Meter(scene)
    for seconds in (0, 10, 20):
        cards = [card(n, seconds, 40, named=False) for n in range(3)]
        meter.take(*cards, seconds=seconds)

    cam, ocr = meter.service(CAM), meter.service(OCR)
    assert cam.estimated
    assert ocr.estimated
    assert round(cam.counted.energy.millijoules / 1000) == 1467  # 2/3 of 120 W less 10 W idle
    assert round(ocr.counted.energy.millijoules / 1000) == 733


def test_a_rate_is_the_increase_over_the_window_and_survives_a_reset() -> None:
    meter = Meter(holdings(holder("a"))).steady([0])
    for seconds, served in ((0, 1000), (15, 2500), (30, 300), (45, 1800)):
        meter.take(count("a", seconds, served), card(0, seconds, 50, "a"), seconds=seconds)

    assert meter.service().rate == Throughput(3300 * 10**6 // 45)


def test_engines_of_a_pod_and_pods_of_a_service_are_summed() -> None:
    meter = Meter(holdings(holder("a"), holder("b")))
    for seconds in (0, 15, 30):
        samples = [count(p, seconds, 40 * seconds, s) for p in "ab" for s in "01"]
        meter.take(*samples, seconds=seconds)
        meter.steady([seconds + 1])

    assert meter.service().rate == Throughput(160 * 10**6)


def test_a_rate_beyond_what_the_profile_says_is_doubted_and_not_used() -> None:
    meter = Meter(holdings(holder("a")))
    for seconds in (0, 15, 30):
        meter.take(count("a", seconds, 10**6 * seconds), seconds=seconds)
        meter.steady([seconds + 1])

    assert meter.service().rate is None
    assert "more than 2 times what 1 replicas can serve" in (meter.service().doubt or "")


def test_a_unit_other_than_the_profiles_is_told() -> None:
    meter = Meter(holdings(holder("a")))
    services = {CAM: Served("tokens", Throughput(10**8))}
    meter.scene = replace(meter.scene, services=services)
    for seconds in (0, 15):
        meter.take(count("a", seconds, seconds), card(0, seconds, 50, "a"), seconds=seconds)

    assert meter.service().doubt == "the runtime counts images, the profile tokens"


def test_a_budget_with_a_meter_counts_what_that_shows_and_no_card() -> None:
    meter = Meter(holdings(holder("a")))
    meter.scene = replace(meter.scene, meters={"all": Scope.WALL})
    for seconds in (0, 30, 60):
        meter.steady([seconds])
        shown = MeterSample("all", seconds * 1000, b.watts(300))
        meter.accounts.take(Readings(meters=(shown,)), meter.scene, at(seconds + 0.5))
        meter.now = at(seconds + 0.5)

    assert meter.budget().counted.energy == joules(300 * 60)
    assert meter.budget().scope is Scope.WALL
    assert meter.budget("rack").counted.energy == joules(60 * 60)


def test_what_is_deleted_is_forgotten() -> None:
    meter = Meter(holdings(holder("a"))).steady([0, 15])
    meter.scene = replace(meter.scene, services={}, budgets={}, pools={}, classes=frozenset())
    meter.take(seconds=20)

    measured = meter.accounts.measurements(meter.now)
    assert (measured.services, measured.budgets, measured.classes) == ({}, {}, {})
