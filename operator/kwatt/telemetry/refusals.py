"""What is refused while one target is read: reasons counted, the first sentence of each kept."""

from __future__ import annotations

from typing import Final

from kwatt.model.telemetry import Refusal

_LONGEST: Final = 300


class Unusable(Exception):
    """Nothing of what a target answered can be used."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Tally:
    """Counts refusals by reason."""

    def __init__(self) -> None:
        self.counts: dict[Refusal, int] = {}
        self.messages: dict[Refusal, str] = {}

    def add(self, reason: Refusal, message: str, count: int = 1) -> None:
        """Count a refusal; of several with one reason the first sentence is kept."""
        if count:
            self.counts[reason] = self.counts.get(reason, 0) + count
            if reason not in self.messages:
                self.messages[reason] = _printable(message)


def _printable(message: str) -> str:
    """Return at most 300 characters, none of which a terminal or log obeys: targets choose words of them."""
    return "".join(one if one.isprintable() else "?" for one in message[:_LONGEST])
