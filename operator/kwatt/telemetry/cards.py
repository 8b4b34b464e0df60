"""From the series of an exporter to the watts of cards: each card once, in one unit, or refused with a reason.

Nothing here is repaired: a figure that can't be true is left out, and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kwatt.model.keys import PodKey
from kwatt.model.targets import CardFormat
from kwatt.model.telemetry import CardKey, CardSample, Refusal
from kwatt.telemetry.identities import Identities, Reading
from kwatt.telemetry.numbers import amount, has_fraction
from kwatt.telemetry.refusals import Tally
from kwatt.units import Power, Ratio

_ONE: Final = Ratio(1, 1)
_RESTLESS: Final = 8  # assumption: so many changes in a row are noise, not load


class Standing(NamedTuple):
    """What a card reads, since when, for how many readings, and how often in a row it had changed soon."""

    text: bytes
    since: int
    readings: int = 1
    restless: int = 0

    def then(self, text: bytes, at: int) -> Standing:
        """Return what the next reading makes of it."""
        if text == self.text:
            return self._replace(readings=self.readings + 1)
        return Standing(text, at, 1, self.restless + 1 if self.readings <= 2 else 0)


class Memory:
    """What is remembered of one target between two readings."""

    def __init__(self) -> None:
        self.cards = Identities()
        self.health = Identities()
        self.standing: dict[str, Standing] = {}
        self._nodes: dict[str, Memory] = {}

    def of_node(self, node: str) -> Memory:
        """Return the memory of one node of a target that tells of many."""
        return self._nodes.setdefault(node, Memory())

    def keep_nodes(self, nodes: Collection[str]) -> None:
        """Forget all other nodes."""
        if len(self._nodes) > len(nodes):
            self._nodes = {name: one for name, one in self._nodes.items() if name in nodes}


def health_of(format: CardFormat, readings: Iterable[Reading]) -> dict[str, bool]:
    """Return which cards are healthy; one with several devices only if all of them are."""
    healthy: dict[str, bool] = {}
    for reading in readings:
        state = amount(reading.value, _ONE)
        if isinstance(state, int):
            healthy[reading.card] = healthy.get(reading.card, True) and state == format.healthy
    return healthy


@dataclass(frozen=True, slots=True)
class Place:
    """Whose cards are judged and when: the node, the pods that hold NPUs there, the instant."""

    node: str
    pods: Collection[PodKey]
    at: int


class _Figure(NamedTuple):
    milliwatts: int
    text: bytes


@dataclass(slots=True)
class _Said:
    """What was said of one card: usable figures, pods, and whether one of its devices reads nothing."""

    figures: list[_Figure] = field(default_factory=list)
    pods: set[PodKey] = field(default_factory=set)
    blank: bool = False


def judge(
    format: CardFormat, readings: Iterable[Reading], place: Place, memory: Memory, tally: Tally
) -> list[CardSample]:
    """Return the cards with a usable figure, sorted; what is not used is counted in `tally`."""
    said = _said(format, readings, tally)
    samples = []
    for card in sorted(said):
        one = said[card]
        if one.blank and not one.figures:
            tally.add(Refusal.IMPLAUSIBLE, f"every device of card {card} reads 0 W")
        if not one.figures:
            continue
        figure = _agreed(card, one.figures, tally)
        if not _is_frozen(format, card, figure, place.at, memory, tally):
            named = _own_pods(one.pods, card, place, tally)
            samples.append(_sample(format, card, figure, place, named))
    memory.standing = {card: one for card, one in memory.standing.items() if card in said}
    return samples


def _said(format: CardFormat, readings: Iterable[Reading], tally: Tally) -> dict[str, _Said]:
    """Sort readings by card, and out."""
    said: defaultdict[str, _Said] = defaultdict(_Said)
    for reading in readings:
        one = said[reading.card]
        milliwatts = amount(reading.value, format.milliwatts)
        if reading.pod is not None:
            one.pods.add(reading.pod)
        if isinstance(milliwatts, Refusal):
            tally.add(milliwatts, _unread(milliwatts, format, reading))
        elif milliwatts == 0 and format.grouped:
            one.blank = True  # the card's watts are on another of its devices
        elif _is_possible(format, milliwatts, tally, reading):
            one.figures.append(_Figure(milliwatts, reading.value))
    return said


def _is_possible(format: CardFormat, milliwatts: int, tally: Tally, reading: Reading) -> bool:
    power = Power(milliwatts)
    if power > format.ceiling:
        tally.add(
            Refusal.ABOVE_CEILING,
            f"card {reading.card} reads {power}, above what it can draw ({format.ceiling}); is the unit right?",
        )
        return False
    if power < format.floor:
        tally.add(
            Refusal.IMPLAUSIBLE,
            f"card {reading.card} reads {power}, far below idle ({format.floor} at least); is the unit right?",
        )
        return False
    return True


def _unread(reason: Refusal, format: CardFormat, reading: Reading) -> str:
    shown = reading.value[:24].decode(errors="replace")
    meaning = " (below 0 says unknown)" if reason is Refusal.NEGATIVE else ""
    return f"card {reading.card} reads {shown}{meaning} in {format.metrics[0]}"


def _agreed(card: str, figures: list[_Figure], tally: Tally) -> _Figure:
    """Return the highest of what partitions, pods or devices say of one card."""
    highest, lowest = max(figures), min(figures)
    differing = sum(figure.milliwatts != highest.milliwatts for figure in figures)
    tally.add(
        Refusal.DUPLICATE_SERIES,
        f"card {card} reads from {Power(lowest.milliwatts)} to {Power(highest.milliwatts)} in one "
        "exposition; the highest is used",
        differing,
    )
    return highest


def _is_frozen(
    format: CardFormat, card: str, figure: _Figure, at: int, memory: Memory, tally: Tally
) -> bool:
    """Tell whether a card whose readings never stood still has read the same for too long.

    A sensor that was seen to change from reading to reading has noise; without it, it is not read any more.
    Others say nothing by standing still: an RNGD's has steps of 1 W, and any card may idle evenly.
    """
    before = memory.standing.get(card)
    now = Standing(figure.text, at) if before is None else before.then(figure.text, at)
    memory.standing[card] = now
    seconds = (at - now.since) // 1000
    still = format.frozen_ms is not None and at - now.since >= format.frozen_ms
    if not still or now.restless < _RESTLESS or not has_fraction(figure.text):
        return False
    if figure.milliwatts * 10 <= format.idle.milliwatts * 11:
        return False
    tally.add(
        Refusal.FROZEN,
        f"card {card} has read {figure.text.decode()} for {seconds} s, and never stood still before",
    )
    return True


def _own_pods(named: set[PodKey], card: str, place: Place, tally: Tally) -> tuple[PodKey, ...]:
    foreign = sorted(pod for pod in named if pod not in place.pods)
    if foreign:
        tally.add(
            Refusal.FOREIGN_LABEL,
            f"card {card} names pod {foreign[0]}, which holds no NPU on node {place.node}",
            len(foreign),
        )
    return tuple(sorted(pod for pod in named if pod in place.pods))


def _sample(
    format: CardFormat, card: str, figure: _Figure, place: Place, pods: tuple[PodKey, ...]
) -> CardSample:
    return CardSample(
        card=CardKey(place.node, format.npu_class, card),
        at=place.at,
        power=Power(figure.milliwatts),
        devices=format.devices,
        pods=pods,
    )
