"""Formats and texts for tests of the readers: cards of the catalogue as its presets read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kwatt.model.keys import PodKey
from kwatt.model.targets import CardFormat
from kwatt.model.telemetry import CardSample, Refusal
from kwatt.observation.parsing.catalogue import parse_npu_class
from kwatt.telemetry.cards import Memory, Place, judge
from kwatt.telemetry.exposition import Scanner
from kwatt.telemetry.refusals import Tally

EXAMPLES = Path(__file__).parents[3] / "examples" / "10-classes"
CATALOGUE = Path(__file__).parents[3] / "charts" / "kwatt" / "catalogue"
NODE = "n1"
POD = PodKey("city", "traffic-0")
HELD = frozenset({POD})
POWER = "furiosa_npu_hw_power"


def class_body(name: str, **telemetry: Any) -> dict[str, Any]:
    """Return a class of the examples, with what differs in its telemetry."""
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    body["spec"]["telemetry"] |= telemetry
    return body


def format_of(name: str, **telemetry: Any) -> CardFormat:
    """Return how the cards of a class of the examples are read."""
    parsed = parse_npu_class(class_body(name, **telemetry)).telemetry
    assert parsed is not None
    return parsed.format


RNGD = format_of("furiosa-rngd")
WARBOY = format_of("furiosa-warboy")
ATOM = format_of("rebellions-atom-ca12")
ATOM_MAX = format_of("rebellions-atom-max")
ARIES = format_of("mobilint-aries-mla100")


def rngd(uuid: str, watts: object, **labels: str) -> str:
    """Return a line of furiosa-metrics-exporter."""
    pairs = {"arch": "rngd", "label": "rms", "uuid": uuid, **labels}
    block = ",".join(f'{name}="{value}"' for name, value in pairs.items())
    return f"{POWER}{{{block}}} {watts}\n"


def atom(device: int, watts: object, name: str = "rbln_npu_power") -> str:
    """Return a line of rbln-metrics-exporter."""
    return f'{name}{{card="RBLN-CA25",name="rbln{device}",uuid="u{device}"}} {watts}\n'


class Judged:
    """What a text brings: milliwatts by card, samples, and refusals."""

    def __init__(
        self, format: CardFormat, text: str | bytes, *, memory: Memory | None = None, at: int = 0
    ) -> None:
        memory = memory or Memory()
        self.tally = Tally()
        scanner = Scanner((*format.metrics, *format.health))
        scanner.feed(text.encode() if isinstance(text, str) else text)
        scanner.finish()
        power = [one for one in scanner.series if one.name in format.metrics]
        readings = memory.cards.readings(format, power, self.tally)
        place = Place(NODE, HELD, at)
        self.samples: list[CardSample] = judge(format, readings, place, memory, self.tally)
        self.milliwatts = {one.card.card: one.power.milliwatts for one in self.samples}

    @property
    def refused(self) -> dict[Refusal, int]:
        return self.tally.counts
