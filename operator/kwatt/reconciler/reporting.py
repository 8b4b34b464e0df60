"""Write statuses whose meaning changed, and post an Event where a condition turned.

Figures that move are written at most every few seconds per object; a condition that flips is written at once,
but for one: replicas of a service that was ready have two seconds to become so. Where its spec was changed
they have ten, counted from when the last one was made or released, and thirty in all, which saves a
write per change. Until then the status tells of the generation that it names.
Many are written in parts, over several cycles: pods that can be released must not wait for what people read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any, Final

from kwatt import names
from kwatt.cluster.events import Events, Subject, Type
from kwatt.cluster.lease import NotLeading
from kwatt.cluster.outbox import Failed, Outbox, Outcome, Request, portion
from kwatt.cluster.paths import of_manifest, status_of
from kwatt.cluster.writes import Apply, MergePatch
from kwatt.errors import Conflict, Missing, Refused
from kwatt.metrics import Metrics
from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Move
from kwatt.reconciler.describing import ObjectKey
from kwatt.reconciler.status_change import StatusChange
from kwatt.reconciler.store import Store, Written
from kwatt.status.moves import describe_move

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN: Final = 5.0
_WAVERING_SECONDS: Final = 2.0
_EDITED_SECONDS: Final = (
    10.0  # assumed to be enough for replicas to be bound once they are released
)
_EDITED_AT_MOST: Final = 30.0  # assumed to be as long as a user waits for a first answer
_UNREADABLE: Final = "failed to create typed live object"  # says a 500
_TOLD: Final = {
    "InferenceService": ("Accepted", "Placed"),
    "PowerBudget": ("Accepted", "Exceeded"),
    "NPUClass": ("Conflict",),
    "ModelProfile": ("Accepted", "ProfileDrift"),
}
_GOOD: Final = {
    "Accepted": "True",
    "Placed": "True",
    "Exceeded": "False",
    "Conflict": "False",
    "ProfileDrift": "False",
}

Told = tuple[str, str, str]


class Reporter:
    """Sends statuses and Events through the same paced outbox as everything else."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        events: Events,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._written_at: dict[str, float] = {}
        self._wavers_since: dict[str, float] = {}
        self._brought_on_at: dict[str, float] = {}
        self._moving: frozenset[ServiceKey] = frozenset()

    async def report(
        self,
        changes: Iterable[StatusChange],
        brought_on: Collection[ServiceKey] = (),
        calm: Callable[[], bool] = lambda: False,
    ) -> float | None:
        """Write what is due, much at once only while it is `calm`; return after how many seconds the rest is.

        `brought_on` are the services whose replicas were made or released in this cycle.
        """
        now, present = self._clock(), list(changes)
        self._note_wavering(
            (change.written for change in present if change.wavering), brought_on, now
        )
        self._written_at = {
            uid: at for uid, at in self._written_at.items() if now - at < _SECONDS_BETWEEN
        }
        due, waits = [], []
        for change in present:
            wait = self._wait(change, now)
            if wait <= 0:
                due.append(change)
            else:
                waits.append(wait)
        waits += await self._write(due, calm)
        return min(waits, default=None)

    def _note_wavering(
        self, wavering: Iterable[Written], brought_on: Collection[ServiceKey], now: float
    ) -> None:
        since, at = self._wavers_since, self._brought_on_at
        self._wavers_since, self._brought_on_at = {}, {}
        for one in wavering:
            self._wavers_since[one.uid] = since.get(one.uid, now)
            was_brought_on = ServiceKey(one.namespace, one.name) in brought_on
            self._brought_on_at[one.uid] = now if was_brought_on else at.get(one.uid, now)

    def _wait(self, change: StatusChange, now: float) -> float:
        uid = change.written.uid
        if change.wavering:
            since = self._wavers_since[uid]
            if not change.edited:
                return since + _WAVERING_SECONDS - now
            until = min(self._brought_on_at[uid] + _EDITED_SECONDS, since + _EDITED_AT_MOST)
            return until - now
        if change.urgent:
            return 0.0
        return self._written_at.get(uid, now - _SECONDS_BETWEEN) + _SECONDS_BETWEEN - now

    async def tell_moves(self, moves: Iterable[Move]) -> None:
        """Post an Event with the figures on each service that the plan moves, once per move."""
        moving = {key: move for move in moves for key in move.services}
        news = sorted(moving.keys() - self._moving)
        self._moving = frozenset(moving)
        if not news:
            return
        own = {ServiceKey(o.namespace, o.name): o for o in self._store.own("InferenceService")}
        for key in news:
            if key in own:
                message = describe_move(moving[key], key)
                await self._events.post(_subject(own[key]), "Normal", "Moving", message)

    async def _write(self, due: list[StatusChange], calm: Callable[[], bool]) -> list[float]:
        ordered = sorted(due, key=lambda change: not change.urgent)
        by_key: dict[Hashable, StatusChange] = {_key(change): change for change in ordered}
        most = portion(self._store.sizes()["InferenceService"])
        requests = [_request(change) for change in ordered]
        done, waits = 0, []
        async for outcomes in self._outbox.run_some(requests, most, calm):
            done += len(outcomes)
            for outcome in outcomes:
                wait = await self._finish(by_key[outcome.request.key], outcome)
                waits += [] if wait is None else [wait]
        return [*waits, 0.0] if done < len(requests) else waits

    async def _finish(self, change: StatusChange, outcome: Outcome) -> float | None:
        """Note and tell what was written; return the seconds until it is tried again if it was not."""
        written = await self._written(change, outcome)
        if isinstance(written, Failed):
            await self._failed(change, written)
            return written.retry_seconds
        self._note(change, written.body)
        await self._tell(change)
        return None

    async def _written(self, change: StatusChange, outcome: Outcome) -> Outcome:
        """Return the outcome; server-side apply can't be used on what was stored before a stricter schema."""
        if isinstance(outcome, Failed) and outcome.error.message.startswith(_UNREADABLE):
            (outcome,) = await self._outbox.run([_overlay(change)])
        return outcome

    async def _failed(self, change: StatusChange, outcome: Failed) -> None:
        """Tell by an Event what can't be told by a status."""
        if not outcome.attempted or isinstance(outcome.error, NotLeading):
            return
        kind, error = change.written.kind, outcome.error
        self._metrics.failed(kind, type(error).__name__)
        late = isinstance(error, Conflict | Missing)  # it was replaced or deleted meanwhile
        level = logging.INFO if late else logging.WARNING
        _LOG.log(level, "status not written object=%s error=%s", _key(change), error)
        if isinstance(error, Refused):
            await self._tell(change)

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
    manifest = _manifest(written) | {"status": change.status}
    return Request(_key(change), Apply(status_of(of_manifest(manifest)), manifest))


def _overlay(change: StatusChange) -> Request:
    """Write the status by merge patch, which reads nothing else of the object."""
    written = change.written
    gone = dict.fromkeys(written.status.keys() - change.status.keys())
    body = {"metadata": {"uid": written.uid}, "status": {**gone, **change.status}}
    key = _key(change)._replace(kind=f"{written.kind}/overlay")
    return Request(key, MergePatch(status_of(of_manifest(_manifest(written))), body))


def _manifest(written: Written) -> dict[str, Any]:
    metadata = {"name": written.name, "uid": written.uid}
    if written.namespace:
        metadata["namespace"] = written.namespace
    return {"apiVersion": names.API_VERSION, "kind": written.kind, "metadata": metadata}


def _key(change: StatusChange) -> ObjectKey:
    written = change.written
    return ObjectKey(f"{written.kind}/status", written.namespace, written.name)


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
