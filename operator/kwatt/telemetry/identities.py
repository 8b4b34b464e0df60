"""Which card a series is about: what its labels say, remembered from round to round."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

from kwatt.model.keys import PodKey
from kwatt.model.targets import CardFormat
from kwatt.model.telemetry import Refusal
from kwatt.telemetry.exposition import Series, parse_labels
from kwatt.telemetry.refusals import Tally

_LONGEST: Final = 253  # of a name in Kubernetes; longer ones name nothing
_NUMBERED = re.compile(r"(.*?)([0-9]{1,6})")


class Identity(NamedTuple):
    """Which card a series is about, and the pod that its labels name."""

    card: str
    pod: PodKey | None


class Skipped(NamedTuple):
    """Why a label block leads to no card; None where the series is simply not meant."""

    reason: Refusal | None
    message: str


_NOT_MEANT: Final = Skipped(None, "")


class Reading(NamedTuple):
    """A figure of a card, as text."""

    card: str
    pod: PodKey | None
    value: bytes


class Identities:
    """What label blocks say: the blocks of one target are the same from round to round."""

    def __init__(self) -> None:
        self._known: dict[bytes, Identity | Skipped] = {}

    def readings(self, format: CardFormat, series: Iterable[Series], tally: Tally) -> list[Reading]:
        """Return the figures of the series that are meant."""
        before, self._known = self._known, {}
        found = []
        for one in series:
            identity = before.get(one.labels) or identify_block(format, one.labels)
            self._known[one.labels] = identity
            if isinstance(identity, Identity):
                found.append(Reading(identity.card, identity.pod, one.value))
            elif identity.reason is not None:
                tally.add(identity.reason, identity.message)
        return found


@lru_cache
def unmatched(format: CardFormat) -> CardFormat:
    """Return the format of series that need not have the labels of those of power, such as health."""
    return replace(format, match=())


def identify(format: CardFormat, labels: Mapping[str, str]) -> Identity | Skipped:
    """Say which card a series with `labels` is about."""
    if any(labels.get(name, "") != value for name, value in format.match):
        return _NOT_MEANT
    name = labels.get(format.card_label, "")
    if not name:
        return Skipped(
            Refusal.UNKNOWN_METRICS, f"a series of {format.metrics[0]} has no {format.card_label}"
        )
    if len(name) > _LONGEST:
        return Skipped(Refusal.NOT_EXPOSITION, f"{format.card_label} is longer than {_LONGEST}")
    card = _first_device(name, format.devices) if format.grouped else name
    if card is None:
        return Skipped(
            Refusal.UNKNOWN_METRICS,
            f"{format.card_label}={name[:40]!r} ends in no number, so that its card is not known",
        )
    return Identity(card, _named_pod(labels))


def identify_block(format: CardFormat, block: bytes) -> Identity | Skipped:
    """Say which card a series with this label block is about."""
    labels = parse_labels(block)
    if labels is None:
        return Skipped(Refusal.NOT_EXPOSITION, "the labels of a wanted series are malformed")
    return identify(format, labels)


def _named_pod(labels: Mapping[str, str]) -> PodKey | None:
    """Return the pod in the labels; a Prometheus server may have moved the exporter's own to exported_*."""
    for prefix in ("exported_", ""):
        namespace, pod = labels.get(f"{prefix}namespace"), labels.get(f"{prefix}pod")
        if namespace and pod:
            return PodKey(namespace[:_LONGEST], pod[:_LONGEST])
    return None


def _first_device(name: str, devices: int) -> str | None:
    """Return the first device of the card that a device belongs to: rbln5 of cards of four is on rbln4's."""
    match = _NUMBERED.fullmatch(name)
    return f"{match[1]}{int(match[2]) // devices * devices}" if match else None
