"""A token bucket. Pure: the clock is an argument."""

from __future__ import annotations


class Bucket:
    """Allows `burst` at once and `per_second` after that."""

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        if self._level(now) < 1:
            return False
        self._tokens -= 1
        return True

    def reserve(self, now: float) -> float:
        """Take a token, ahead of time if need be; return after how many seconds it may be used."""
        self._level(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_second)

    def _level(self, now: float) -> float:
        gained = max(0.0, now - self._filled_at) * self._per_second
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_at = now
        return self._tokens
