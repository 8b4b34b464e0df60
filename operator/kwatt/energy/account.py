"""The energy of one object: what was integrated, since when, and for how long its power was unknown."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from kwatt.energy.holdings import FRESHNESS_MS, Instant, PoolKey
from kwatt.energy.integration import energy_of, halves_of
from kwatt.energy.rates import WINDOW_MS
from kwatt.model.measurements import Counted
from kwatt.model.npu import Scope
from kwatt.units import Power


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an object's cards now.

    `holds`: there is something to measure. All of its power is known `through` an instant, None where a
    part was never read. `power` is the sum of the last samples, `limit` for how many milliseconds they hold.
    `npus` are those that it is about, `read` those of them that are known now, `unread` pools with others.
    """

    holds: bool
    through: int | None = None
    power: Power | None = None
    limit: int = FRESHNESS_MS
    estimated: bool = False
    scopes: frozenset[Scope] = frozenset()
    npus: int = 0
    read: int = 0
    unread: tuple[PoolKey, ...] = ()


@dataclass(slots=True)
class Account:
    """Grows with every stretch; `through` is until when all its power was known, None while it holds nothing.

    `begun` is when this process began to look: what an earlier one counted until then is no loss yet, but all
    the time between is unmeasured (`resumed`).
    """

    begun: int
    since: datetime
    scope: Scope | None = None
    halves: int = 0
    unmeasured_ms: int = 0
    told_seconds: int = 0
    through: int | None = None
    resumed: bool = False
    known: Known = Known(holds=False)
    window: deque[tuple[int, int]] = field(default_factory=deque)

    @classmethod
    def opened(cls, now: Instant, scope: Scope | None = None) -> Account:
        """Open an account for an object that was read for the first time."""
        return cls(begun=now.ms, since=now.wall, scope=scope)

    @classmethod
    def continued(cls, counted: Counted, now: Instant) -> Account:
        """Go on from what an earlier process wrote; the time between is unmeasured if it held anything."""
        away = _milliseconds(now.wall - counted.at) if counted.at else 0
        return cls(
            begun=now.ms,
            since=counted.since or now.wall,
            scope=counted.scope,
            halves=halves_of(counted.energy),
            unmeasured_ms=1000 * counted.unmeasured_seconds,
            through=now.ms - max(0, away) if counted.at else None,
            resumed=counted.at is not None,
        )

    def add(self, halves: int, scope: Scope) -> None:
        """Add energy of the scope that is counted; of another it is never added."""
        self.scope = self.scope or scope
        if scope is self.scope:
            self.halves += halves

    def counts_other_than(self, known: Known) -> bool:
        """Tell whether all that is read now is of another scope than what was counted so far."""
        return len(known.scopes) == 1 and self.scope is not None and self.scope not in known.scopes

    def settle(self, known: Known, now: Instant) -> None:
        """Note what is known now; time until which something was unknown is counted as unmeasured."""
        self.known = known
        if not known.holds:
            self._let_go(now)
        elif known.through is None:
            self.through = now.ms if self.through is None else self.through
        else:
            self._reach(known.through)
        self._note_power(now)

    def _let_go(self, now: Instant) -> None:
        if self.through is not None and (self.resumed or self._overdue(now)):
            self.unmeasured_ms += now.ms - self.through
        self.through, self.resumed = None, False

    def _reach(self, through: int) -> None:
        before = through if self.through is None else self.through
        if self.resumed or through - before > self.known.limit:
            self.unmeasured_ms += max(0, through - before)
        self.through, self.resumed = max(before, through), False

    def _note_power(self, now: Instant) -> None:
        """Keep the last samples' sums; one that is not whole ends the window."""
        power = self.known.power
        if power is None or self.resumed or self._overdue(now) or len(self.known.scopes) != 1:
            self.window.clear()
            return
        if self.window and self.window[-1][0] >= now.ms:
            return
        self.window.append((now.ms, power.milliwatts))
        while len(self.window) > 2 and now.ms - self.window[1][0] >= WINDOW_MS:
            self.window.popleft()

    def _overdue(self, now: Instant) -> bool:
        return self.through is not None and now.ms - self.through > self.known.limit

    def lost_ms(self, now: Instant) -> int:
        """Return for how long power has been unknown, 0 while it is not (or nothing is held)."""
        if self.through is None or not self._overdue(now):
            return 0
        looked = now.ms - self.begun
        return now.ms - self.through if looked > self.known.limit or not self.resumed else 0

    def power(self) -> Power | None:
        """Return the mean power over the window by the trapezoidal rule, None where it is not known."""
        span = self.span
        if not span:
            return None
        points = list(self.window)
        area = sum((p0 + p1) * (t1 - t0) for (t0, p0), (t1, p1) in pairwise(points))
        return Power(area // (2 * span))

    @property
    def span(self) -> int:
        """The length of the window in milliseconds."""
        return self.window[-1][0] - self.window[0][0] if self.window else 0

    def counted(self, now: Instant) -> Counted:
        """Return the energy so far; neither joules nor unmeasured seconds ever fall."""
        lost = now.ms - self.through if self.through is not None and self._uncounted(now) else 0
        self.told_seconds = max(self.told_seconds, (self.unmeasured_ms + lost) // 1000)
        return Counted(
            energy=energy_of(self.halves),
            since=self.since,
            unmeasured_seconds=self.told_seconds,
            at=now.wall if self.known.holds else None,
            scope=self.scope,
        )

    def _uncounted(self, now: Instant) -> bool:
        return self.resumed or self._overdue(now)


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
