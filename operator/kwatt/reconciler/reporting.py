"""Write statuses whose meaning changed, and post an Event where a condition turned.

Figures that move are written at most every few seconds per object; a condition that flips is written at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kwatt import names
from kwatt.cluster.events import Events, Subject, Type
from kwatt.cluster.outbox import Applied, Failed, Outbox, Request
from kwatt.cluster.paths import of_manifest, status_of
from kwatt.cluster.writes import Apply
from kwatt.reconciler.describing import ObjectKey, StatusChange
from kwatt.reconciler.store import Store, Written

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN: Final = 5.0
_TOLD: Final = {
    "InferenceService": ("Accepted", "Placed"),
    "PowerBudget": ("Accepted", "Exceeded"),
    "NPUClass": ("Conflict",),
    "ModelProfile": ("Accepted",),
}
_GOOD: Final = {"Accepted": "True", "Placed": "True", "Exceeded": "False", "Conflict": "False"}

Told = tuple[str, str, str]


class Reporter:
    """Sends statuses and Events through the same paced outbox as everything else."""

    def __init__(
        self, store: Store, outbox: Outbox, events: Events, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._events = events
        self._clock = clock
        self._written_at: dict[str, float] = {}

    async def report(self, changes: Iterable[StatusChange]) -> float | None:
        """Write what is due; return after how many seconds the rest is."""
        now = self._clock()
        due, waits = [], []
        for change in changes:
            wait = self._written_at.get(change.written.uid, now - _SECONDS_BETWEEN)
            wait += _SECONDS_BETWEEN - now
            if change.urgent or wait <= 0:
                due.append(change)
            else:
                waits.append(wait)
        waits += await self._write(due)
        return min(waits, default=None)

    async def _write(self, due: list[StatusChange]) -> list[float]:
        waits = []
        outcomes = await self._outbox.run([_request(change) for change in due])
        for change, outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, Applied):
                self._note(change, outcome.body)
                await self._tell(change)
            elif isinstance(outcome, Failed):
                waits.append(outcome.retry_seconds)
        return waits

    def _note(self, change: StatusChange, body: Mapping[str, Any]) -> None:
        written = change.written
        self._written_at[written.uid] = self._clock()
        self._store.note_status(written.kind, written.uid, body.get("status") or {})

    async def _tell(self, change: StatusChange) -> None:
        before = set(_told(change.written.kind, change.written.status))
        for told in _told(change.written.kind, change.status):
            if told in before:
                continue
            type_, status, reason = told
            good = status == _GOOD[type_]
            if good and not before:
                continue  # a first status that is fine is no news
            message = _message(change.status, type_)
            kind: Type = "Normal" if good else "Warning"
            await self._events.post(_subject(change.written), kind, reason, message)


def _request(change: StatusChange) -> Request:
    written = change.written
    metadata = {"name": written.name, "uid": written.uid}
    if written.namespace:
        metadata["namespace"] = written.namespace
    manifest: dict[str, Any] = {
        "apiVersion": names.API_VERSION,
        "kind": written.kind,
        "metadata": metadata,
        "status": change.status,
    }
    key = ObjectKey(f"{written.kind}/status", written.namespace, written.name)
    return Request(key, Apply(status_of(of_manifest(manifest)), manifest))


def _told(kind: str, status: Mapping[str, Any]) -> list[Told]:
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    return [
        (type_, str(conditions[type_].get("status")), str(conditions[type_].get("reason")))
        for type_ in _TOLD[kind]
        if type_ in conditions
    ]


def _message(status: Mapping[str, Any], type_: str) -> str:
    return next(
        (str(c.get("message")) for c in status.get("conditions") or () if c.get("type") == type_),
        "",
    )


def _subject(written: Written) -> Subject:
    return Subject(names.API_VERSION, written.kind, written.namespace, written.name, written.uid)
