"""Which objects of one kind were seen, in which version. Pure: no I/O, the clock is an argument.

Watches, kopf's handlers and re-lists all report here, in any order; the ledger says what is news.
It compares resourceVersions as integers, which Kubernetes promises per kind (KEP-5504), and holds
no bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

GRAVE_SECONDS: Final = 600.0  # how long a late event cannot bring a deleted object back


class Sighting(NamedTuple):
    """Which object in which version; version 0 means that it carries none."""

    uid: str
    version: int


class _Grave(NamedTuple):
    version: int
    dug_at: float


def sighting_of(body: Mapping[str, Any]) -> Sighting:
    """Return what a body says about itself; ValueError when it is no object of the API server."""
    metadata = body.get("metadata") or {}
    if not metadata.get("uid"):
        raise ValueError(f"an object without uid: {metadata.get('name')!r}")
    uid = str(metadata["uid"]).encode().decode()  # a copy, so that nothing of the body is kept
    return Sighting(uid, version_number(metadata.get("resourceVersion")))


def version_number(version: str | None) -> int:
    """Return a resourceVersion as a number, 0 when absent; ValueError when it is not a number."""
    return int(version) if version else 0


class Ledger:
    """Known objects, recent graves, and how many deletions nobody announced (`drift`)."""

    def __init__(self) -> None:
        self.drift = 0
        self._known: dict[str, int] = {}
        self._graves: dict[str, _Grave] = {}
        self._unannounced: set[str] = set()
        self._highest = 0

    def __len__(self) -> int:
        return len(self._known)

    def put(self, seen: Sighting) -> bool:
        """Note an object; True when it is newer than all that was known of it."""
        if seen.version and seen.version <= self._last_version(seen.uid):
            return False
        if not seen.version and seen.uid in self._graves:
            return False
        self._graves.pop(seen.uid, None)
        self._known[seen.uid] = seen.version
        self._highest = max(self._highest, seen.version)
        return True

    def remove(self, seen: Sighting, now: float) -> bool:
        """Note a deletion; True when the object was known in no later version."""
        self._unannounced.discard(seen.uid)
        known = self._known.get(seen.uid)
        if known is not None and 0 < seen.version < known:
            return False
        self._bury(seen, now)
        return known is not None

    def retract(self, uid: str) -> None:
        """Take back a put that could not be used: the next sighting counts as news."""
        self._known.pop(uid, None)

    def scan(self, now: float) -> Scan:
        """Begin to compare with a complete list; call it before the list is requested."""
        self.drift += len(self._unannounced)
        self._unannounced.clear()
        self._graves = {
            uid: grave for uid, grave in self._graves.items() if now - grave.dug_at < GRAVE_SECONDS
        }
        return Scan(self, self._highest)

    def unlisted(self, listed: set[str], version: int, now: float) -> tuple[str, ...]:
        """Bury what a complete list of that version lacks, unless it was seen in a later one."""
        gone = tuple(u for u, known in self._known.items() if known <= version and u not in listed)
        for uid in gone:
            self._bury(Sighting(uid, version), now)
        self._unannounced.update(gone)
        return gone

    def clear(self) -> tuple[str, ...]:
        """Forget every object, because its kind is gone; return what was known."""
        gone = tuple(self._known)
        self._known.clear()
        return gone

    def roll_back(self, version: int) -> None:
        """Distrust all versions: the server's history went back (etcd was restored)."""
        self._known = dict.fromkeys(self._known, 0)
        self._graves.clear()
        self._highest = version

    def _last_version(self, uid: str) -> int:
        grave = self._graves.get(uid)
        return max(self._known.get(uid, -1), grave.version if grave else -1)

    def _bury(self, seen: Sighting, now: float) -> None:
        version = max(seen.version, self._known.pop(seen.uid, 0))
        self._highest = max(self._highest, version)
        self._graves[seen.uid] = _Grave(version, now)


class Scan:
    """One complete list being compared with a ledger."""

    def __init__(self, ledger: Ledger, highest: int) -> None:
        self._ledger = ledger
        self._highest = highest
        self._listed: set[str] = set()
        self._version = 0

    def open(self, version: int) -> None:
        """Take the list's own version; again when the list had to be restarted."""
        self._listed.clear()
        self._version = version
        if 0 < version < self._highest:
            self._ledger.roll_back(version)
            self._highest = version

    def put(self, seen: Sighting) -> bool:
        """Note a listed object; True when it is news."""
        self._listed.add(seen.uid)
        return self._ledger.put(seen)

    def close(self, now: float) -> tuple[str, ...]:
        """Return the objects that are gone, once every page was put."""
        return self._ledger.unlisted(self._listed, self._version, now)
