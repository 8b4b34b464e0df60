"""Declared against measured: what one namespace runs or claims does not speak for the others."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.energy.holdings import Curve, Holder
from kwatt.energy.points import Points, is_plausible
from kwatt.model.keys import PodKey
from kwatt.model.measurements import PointKey
from kwatt.units import Energy, Throughput
from unit.energy.scenes import Meter, card, count, holder, holdings

POINT = PointKey("yolo", b.ATOM, 1, "batch-8")
CURVE: Curve = ((50 * 10**6, 40_000), (100 * 10**6, 60_000))
MINUTE = 60_000


def points(**watts: float) -> Points:
    """Return a minute of a replica of 60 W as declared in each namespace, and what it drew."""
    kept = Points()
    kept.turn(0)
    for namespace, drawn in watts.items():
        kept.add(POINT, namespace, 60_000, round(drawn * 1000), MINUTE)
    return kept


def measured(kept: Points) -> tuple[Energy, Energy, int]:
    """Return joules as declared and as measured, and the replica-seconds."""
    one = kept.measured()[POINT]
    return one.declared, one.measured, one.replica_seconds


def test_a_point_of_one_namespace_is_what_that_namespace_measured() -> None:
    kept = points(city=66)
    kept.add(POINT, "city", 60_000, 90_000, MINUTE)

    assert measured(kept) == (Energy(7_200_000), Energy(66_000 * 60 + 90_000 * 60), 120)


def test_of_several_namespaces_the_median_counts_and_of_two_the_lower_one() -> None:
    assert measured(points(city=66, liar=600, hall=63)) == (
        Energy(3 * 3_600_000),
        Energy(3 * 66_000 * 60),
        180,
    )
    assert measured(points(city=61, liar=600)) == (Energy(7_200_000), Energy(2 * 61_000 * 60), 120)


def test_what_was_declared_as_nothing_tells_nothing() -> None:
    kept = Points()
    kept.add(POINT, "city", 0, 60_000, MINUTE)

    assert measured(kept) == (Energy(0), Energy(0), 0)


def test_a_rate_beyond_twice_the_fastest_point_is_not_compared() -> None:
    assert is_plausible(CURVE, Throughput(200 * 10**6))
    assert not is_plausible(CURVE, Throughput(200 * 10**6 + 1))


def test_the_accounts_compare_at_the_rate_served_and_leave_out_rates_that_cannot_be() -> None:
    honest, lying = replica("a"), replica("z")
    scene = replace(holdings(honest, lying), curves={POINT: CURVE})
    meter = Meter(scene)

    for seconds in (0, 15, 30, 45):
        meter.take(
            *(card(0, seconds, 44, "a"), card(1, seconds, 44, "z")),
            *(count("a", seconds, 50 * seconds), count("z", seconds, 10**9 * seconds)),
            seconds=seconds,
        )

    told = meter.accounts.measurements(meter.now).points[POINT]
    assert (told.declared, told.measured, told.replica_seconds) == (
        Energy(40_000 * 45),
        Energy(44_000 * 45),
        45,
    )


def replica(name: str) -> Holder:
    """Return a ready replica at the point."""
    return replace(holder(name), pod=PodKey("city", name), point=POINT)
