"""Ask the API server about new pod templates, by a dry run of the Deployments they lead to.

The answer is a condition on the object; a template that is refused never becomes half a Deployment. A
generation that was accepted before, as its status says, is not asked about again, nor is one that differs
from an accepted one in nothing that the Deployments are built from: another rate is no other template.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from kwatt.cluster.client import Client
from kwatt.cluster.lease import NotLeading
from kwatt.cluster.paths import of_manifest
from kwatt.errors import ClusterError, Missing, Refused
from kwatt.model.snapshot import Snapshot
from kwatt.reconciler.store import Written
from kwatt.reconciler.writes import rehearsals

_CONCURRENT: Final = 10
_RETRY_SECONDS: Final = 30.0
_REHEARSED: Final = ("template", "variants", "priorityClassName")

Generation = tuple[str, int]


class Validator:
    """Remembers the API server's verdict on each generation of each template."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self.complete = True  # whether the last time asked about all that was due
        self._client = client
        self._clock = clock
        self._verdicts: dict[Generation, str] = {}
        self._accepted: dict[str, Written] = {}  # by uid, as last seen
        self._retry_at: dict[Generation, float] = {}

    @property
    def verdicts(self) -> Mapping[Generation, str]:
        """Return the sentences about templates that can't be used, by uid and generation."""
        return self._verdicts

    async def validate(
        self,
        owners: Iterable[Written],
        snapshot: Snapshot,
        holds: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Ask about every generation that is new; return whether a verdict changed.

        Once `holds` is false, or this process may not write, the rest is left for the next time and
        `complete` is false: thousands of new templates must not keep a cap that was cut from being
        planned with.
        """
        self.complete = True
        present = list(owners)
        self._forget({(o.uid, o.generation) for o in present})
        due = [owner for owner in present if self._due(owner)]
        limit = asyncio.Semaphore(_CONCURRENT)
        before = dict(self._verdicts)
        await asyncio.gather(*(self._ask(owner, snapshot, limit, holds) for owner in due))
        return before != self._verdicts

    def _forget(self, present: set[Generation]) -> None:
        uids = {uid for uid, _ in present}
        self._accepted = {uid: owner for uid, owner in self._accepted.items() if uid in uids}
        self._verdicts = {key: v for key, v in self._verdicts.items() if key in present}
        self._retry_at = {key: at for key, at in self._retry_at.items() if key in present}

    def _due(self, owner: Written) -> bool:
        key = (owner.uid, owner.generation)
        if key in self._verdicts:
            return key in self._retry_at and self._clock() >= self._retry_at[key]
        before = self._accepted.get(owner.uid)
        if (before is not None and _alike(before, owner)) or _accepted_before(owner):
            self._accepted[owner.uid] = owner
            return False
        return True

    async def _ask(
        self,
        owner: Written,
        snapshot: Snapshot,
        limit: asyncio.Semaphore,
        holds: Callable[[], bool],
    ) -> None:
        key = (owner.uid, owner.generation)
        try:
            async with limit:
                if not holds():
                    self.complete = False
                    return
                for manifest in rehearsals(owner, snapshot):
                    await self._client.apply(of_manifest(manifest), manifest, dry_run=True)
        except Refused as error:
            self._verdicts[key] = error.message
            self._retry_at.pop(key, None)
        except Missing:  # the namespace is going, and the service with it
            return
        except NotLeading:  # which says nothing about the template
            self.complete = False
        except ClusterError as error:
            self._verdicts[key] = f"the API server could not check the template: {error.message}"
            self._retry_at[key] = self._clock() + _RETRY_SECONDS
        else:
            self._verdicts.pop(key, None)
            self._retry_at.pop(key, None)
            self._accepted[owner.uid] = owner


def _alike(one: Written, other: Written) -> bool:
    """Tell whether both lead to the same Deployments in a dry run."""
    return one.generation == other.generation or all(
        one.spec.get(part) == other.spec.get(part) for part in _REHEARSED
    )


def _accepted_before(owner: Written) -> bool:
    return any(
        condition.get("type") == "Accepted"
        and condition.get("status") == "True"
        and condition.get("observedGeneration") == owner.generation
        for condition in owner.status.get("conditions") or ()
    )
