"""What nodes advertise at most while answers are missing or the watch of pods lags behind."""

from __future__ import annotations

import builders as b
from kwatt.changes.values import ShareChange
from kwatt.model.snapshot import Snapshot
from kwatt.reconciler.shares import Shares


class Cluster:
    """A clock, and how far the pods are known."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pods_seen = 10**6
        self.shares = Shares(lambda: self.now, lambda: self.pods_seen)

    def advertised(self, watts: int | None, version: str = "5") -> dict[str, int]:
        """Return what is counted when n1 is seen like this."""
        return self.shares.advertised(seen(watts, version))


def seen(watts: int | None, version: str = "5") -> Snapshot:
    return b.snapshot(nodes=[b.node("n1", advertised_watts=watts, resource_version=version)])


def test_what_is_observed_counts() -> None:
    assert Cluster().advertised(100) == {"n1": 100}
    assert Cluster().advertised(None) == {}


def test_a_raise_without_an_answer_counts_as_done() -> None:
    cluster = Cluster()

    cluster.shares.may_have_risen(ShareChange("n1", None, 100, "5"))

    assert cluster.advertised(None) == {"n1": 100}


def test_a_raise_cannot_happen_any_more_once_its_node_has_changed() -> None:
    cluster = Cluster()
    cluster.shares.may_have_risen(ShareChange("n1", 20, 100, "5"))

    assert cluster.advertised(20, "6") == {"n1": 20}


def test_a_raise_cannot_happen_any_more_after_two_minutes() -> None:
    cluster = Cluster()
    cluster.shares.may_have_risen(ShareChange("n1", 20, 100, "5"))
    cluster.now += 121

    assert cluster.advertised(20) == {"n1": 20}


def test_of_two_raises_without_an_answer_the_larger_counts() -> None:
    cluster = Cluster()
    cluster.shares.may_have_risen(ShareChange("n1", 20, 100, "5"))
    cluster.shares.may_have_risen(ShareChange("n1", 20, 60, "5"))

    assert cluster.advertised(20) == {"n1": 100}


def test_a_share_that_fell_counts_until_the_pods_are_known_up_to_it() -> None:
    cluster = Cluster()
    cluster.pods_seen = 6
    cluster.advertised(100, "5")

    assert cluster.advertised(30, "7") == {"n1": 100}
    assert cluster.shares.look_again_seconds() is not None

    cluster.pods_seen = 7
    assert cluster.advertised(30, "7") == {"n1": 30}
    assert cluster.shares.look_again_seconds() is None


def test_a_share_that_is_not_advertised_any_more_has_fallen_too() -> None:
    cluster = Cluster()
    cluster.pods_seen = 6
    cluster.advertised(100, "5")

    assert cluster.advertised(None, "7") == {"n1": 100}


def test_of_two_falls_the_first_share_and_the_last_version_count() -> None:
    cluster = Cluster()
    cluster.pods_seen = 6
    cluster.advertised(100, "5")
    cluster.advertised(60, "7")
    cluster.advertised(30, "9")

    cluster.pods_seen = 8

    assert cluster.advertised(30, "9") == {"n1": 100}


def test_a_fall_does_not_count_for_ever_where_versions_do_not_compare() -> None:
    cluster = Cluster()
    cluster.pods_seen = 0
    cluster.advertised(100, "5")
    cluster.advertised(30, "7")
    cluster.now += 901

    assert cluster.advertised(30, "7") == {"n1": 30}


def test_a_node_that_is_gone_is_forgotten() -> None:
    cluster = Cluster()
    cluster.pods_seen = 0
    cluster.shares.may_have_risen(ShareChange("n1", None, 100, "5"))
    elsewhere = b.snapshot(nodes=[b.node("n2", advertised_watts=1)])

    assert cluster.shares.advertised(elsewhere) == {"n2": 1}
    assert cluster.advertised(20, "8") == {"n1": 20}


def test_a_fall_that_no_event_of_a_pod_follows_wants_the_pods_listed() -> None:
    cluster = Cluster()
    cluster.pods_seen = 5
    cluster.advertised(100, "5")
    cluster.advertised(20, "9")

    assert not cluster.shares.is_overdue()
    cluster.now += 3
    assert cluster.shares.is_overdue()


def test_once_the_pods_were_listed_the_former_share_counts_no_more() -> None:
    cluster = Cluster()
    cluster.pods_seen = 5
    cluster.advertised(100, "5")
    cluster.advertised(20, "9")
    cluster.now += 3

    cluster.pods_seen = 10

    assert cluster.advertised(20, "9") == {"n1": 20}
    assert not cluster.shares.is_overdue()
