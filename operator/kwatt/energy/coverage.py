"""Until when the power of pools and of pods is known: which cards were read, and whether those are all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kwatt.energy.holdings import Holder, Holdings, Instant, Pool, PoolKey
from kwatt.energy.integration import Trail
from kwatt.model.keys import PodKey

Cards = Mapping[PoolKey, Mapping[str, Trail]]


class _Part(NamedTuple):
    """A pod in a pool, or the whole pool (None)."""

    pool: PoolKey
    pod: PodKey | None


class Coverage:
    """Remembers of every pool and holder until when all their cards were read."""

    def __init__(self) -> None:
        self._through: dict[_Part, int] = {}

    def look(self, cards: Cards, holdings: Holdings, now: Instant) -> None:
        """Note what is known after a round of readings; forget who holds nothing any more."""
        through: dict[_Part, int] = {}
        for key, pool in holdings.pools.items():
            limit = holdings.limit(key.npu_class)
            fresh = [t for t in cards.get(key, {}).values() if now.ms - t.at <= limit]
            for part, at in self._parts(key, pool, fresh, now):
                if at is not None:
                    through[part] = max(at, self._through.get(part, at))
        self._through = through

    def _parts(
        self, key: PoolKey, pool: Pool, fresh: Sequence[Trail], now: Instant
    ) -> Iterable[tuple[_Part, int | None]]:
        whole = _Part(key, None)
        in_pool = _read_through(fresh, pool.npus)
        yield whole, self._through.get(whole) if in_pool is None else in_pool
        for holder in pool.holders:
            part = _Part(key, holder.pod)
            at = _read_through(trails_of(holder, pool, fresh), holder.npus)
            if at is None:
                # a pod that came to a pool that is read has the freshness limit to appear in it
                at = self._through.get(part, now.ms if fresh else None)
            yield part, at

    def of_pool(self, key: PoolKey) -> int | None:
        """Return until when all cards of a pool were read, None where they never were."""
        return self._through.get(_Part(key, None))

    def of_pod(self, key: PoolKey, pod: PodKey) -> int | None:
        """Return until when all cards of a pod on a node were read, None where they never were."""
        return self._through.get(_Part(key, pod))


def trails_of(holder: Holder, pool: Pool, fresh: Sequence[Trail]) -> Sequence[Trail]:
    """Return the samples that tell of a pod: those that name it, else all if they are of the whole pool."""
    if any(trail.names_pods for trail in fresh):
        return [trail for trail in fresh if holder.pod in trail.pods]
    return fresh if sum(trail.devices for trail in fresh) >= pool.npus else ()


def _read_through(trails: Sequence[Trail], npus: int) -> int | None:
    """Return the oldest of the last samples if they cover so many NPUs."""
    if not trails or sum(trail.devices for trail in trails) < npus:
        return None
    return min(trail.at for trail in trails)


def earliest(instants: Iterable[int | None]) -> int | None:
    """Return the first instant, None where one of them is unknown or there is none."""
    known = list(instants)
    return None if not known or None in known else min(at for at in known if at is not None)
