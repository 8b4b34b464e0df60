"""The ledger: what is news, what is old, what is gone."""

import pytest

from kwatt.cluster.ledger import GRAVE_SECONDS, Ledger, Sighting, sighting_of

T0 = 1000.0


def listed(ledger: Ledger, version: int, *items: Sighting, now: float = T0) -> tuple[str, ...]:
    scan = ledger.scan(now)
    scan.open(version)
    for item in items:
        scan.put(item)
    return scan.close(now)


class TestPut:
    def test_a_newer_version_is_news(self):
        ledger = Ledger()

        assert [ledger.put(Sighting("a", v)) for v in (3, 4)] == [True, True]

    def test_the_same_and_an_older_version_are_not(self):
        ledger = Ledger()

        assert [ledger.put(Sighting("a", v)) for v in (3, 3, 2)] == [True, False, False]

    def test_versions_compare_as_numbers(self):
        ledger = Ledger()

        assert [ledger.put(Sighting("a", v)) for v in (9, 10)] == [True, True]

    def test_an_object_without_version_is_always_news(self):
        ledger = Ledger()

        assert [ledger.put(Sighting("a", 0)) for _ in range(2)] == [True, True]

    def test_a_retracted_put_is_news_again(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 3))

        ledger.retract("a")

        assert ledger.put(Sighting("a", 3))


class TestRemove:
    def test_a_known_object_goes_once(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 3))

        assert [ledger.remove(Sighting("a", 4), T0) for _ in range(2)] == [True, False]
        assert len(ledger) == 0

    @pytest.mark.parametrize("late", [0, 3, 4])
    def test_a_late_event_does_not_bring_it_back(self, late):
        ledger = Ledger()
        ledger.put(Sighting("a", 2))
        ledger.remove(Sighting("a", 4), T0)

        assert not ledger.put(Sighting("a", late))

    def test_a_deletion_that_comes_first_is_remembered(self):
        ledger = Ledger()

        assert not ledger.remove(Sighting("a", 4), T0)
        assert not ledger.put(Sighting("a", 3))

    def test_an_object_that_matches_the_selector_again_comes_back(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 2))
        ledger.remove(Sighting("a", 4), T0)

        assert ledger.put(Sighting("a", 5))

    def test_a_deletion_older_than_what_is_known_is_ignored(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 5))

        assert not ledger.remove(Sighting("a", 4), T0)
        assert len(ledger) == 1

    def test_graves_are_dropped_after_some_minutes(self):
        ledger = Ledger()
        ledger.remove(Sighting("a", 4), T0)

        ledger.scan(T0 + GRAVE_SECONDS)

        assert ledger.put(Sighting("a", 3))


class TestScan:
    def test_what_a_list_lacks_is_gone(self):
        ledger = Ledger()
        listed(ledger, 10, Sighting("a", 1), Sighting("b", 2))

        assert listed(ledger, 11, Sighting("b", 2)) == ("a",)
        assert len(ledger) == 1

    def test_unchanged_objects_are_no_news(self):
        ledger = Ledger()
        scan = ledger.scan(T0)
        scan.open(10)

        assert [scan.put(Sighting("a", 1)) for _ in range(2)] == [True, False]

    def test_an_object_seen_after_the_lists_version_stays(self):
        ledger = Ledger()
        scan = ledger.scan(T0)
        scan.open(10)
        ledger.put(Sighting("new", 11))

        assert scan.close(T0) == ()

    def test_a_list_does_not_bring_back_what_was_deleted_meanwhile(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 1))
        scan = ledger.scan(T0)
        scan.open(10)
        ledger.remove(Sighting("a", 12), T0)

        assert not scan.put(Sighting("a", 9))

    def test_a_late_event_does_not_bring_back_what_a_list_lacked(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 1))
        listed(ledger, 10)

        assert not ledger.put(Sighting("a", 9))

    def test_a_restarted_list_counts_only_its_own_pages(self):
        ledger = Ledger()
        ledger.put(Sighting("a", 1))
        scan = ledger.scan(T0)
        scan.open(10)
        scan.put(Sighting("a", 1))

        scan.open(12)

        assert scan.close(T0) == ("a",)

    def test_a_restored_etcd_makes_everything_news_again(self):
        ledger = Ledger()
        listed(ledger, 900, Sighting("a", 800), Sighting("b", 850))
        scan = ledger.scan(T0)
        scan.open(500)

        assert scan.put(Sighting("a", 400))
        assert scan.close(T0) == ("b",)
        assert ledger.put(Sighting("a", 501))

    def test_events_during_a_list_are_not_mistaken_for_a_restored_etcd(self):
        ledger = Ledger()
        listed(ledger, 10, Sighting("a", 1))
        scan = ledger.scan(T0)
        ledger.put(Sighting("new", 12))
        scan.open(11)

        assert not scan.put(Sighting("a", 1))
        assert scan.close(T0) == ()


class TestDrift:
    def test_a_deletion_that_nobody_announced_counts_at_the_next_list(self):
        ledger = Ledger()
        listed(ledger, 10, Sighting("a", 1))
        listed(ledger, 11)

        listed(ledger, 12)

        assert ledger.drift == 1

    def test_a_deletion_announced_late_does_not_count(self):
        ledger = Ledger()
        listed(ledger, 10, Sighting("a", 1))
        listed(ledger, 11)
        ledger.remove(Sighting("a", 11), T0)

        listed(ledger, 12)

        assert ledger.drift == 0


class TestSightings:
    def test_uid_and_version_come_from_the_metadata(self):
        body = {"metadata": {"uid": "u", "resourceVersion": "12"}}

        assert sighting_of(body) == Sighting("u", 12)

    def test_an_object_without_version_has_version_0(self):
        assert sighting_of({"metadata": {"uid": "u"}}) == Sighting("u", 0)

    @pytest.mark.parametrize("metadata", [None, {}, {"uid": "u", "resourceVersion": "x"}])
    def test_anything_else_is_refused(self, metadata):
        with pytest.raises(ValueError, match=r"uid|invalid"):
            sighting_of({"metadata": metadata})
