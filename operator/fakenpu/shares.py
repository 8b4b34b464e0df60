"""Whole numbers split without loss."""

from __future__ import annotations


def even_shares(total: int, parts: int) -> tuple[int, ...]:
    """Split a whole number evenly; the first parts get what does not divide."""
    share, rest = divmod(total, parts)
    return tuple(share + (number < rest) for number in range(parts))
