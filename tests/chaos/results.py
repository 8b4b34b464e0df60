"""Results of scenarios as files, one each: a long run can be stopped, and made part by part."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from chaos.fuzzing import Fuzzed
from chaos.judging import Outcome

FUZZ = "fuzzed objects"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one scenario, when, from which seed, and whether for as long as it should last."""

    name: str
    full: bool
    seed: int
    date: str
    of: Outcome | Fuzzed


def result(name: str, of: Outcome | Fuzzed, seed: int, *, full: bool) -> Result:
    """Return a result of now."""
    return Result(name, full, seed, time.strftime("%Y-%m-%d"), of)


def keep(folder: Path, one: Result) -> None:
    """Write a result in place of an older one of the same scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"name": one.name, "full": one.full, "seed": one.seed, "date": one.date}
    (folder / f"{one.name}.json").write_text(json.dumps({**head, "of": asdict(one.of)}, indent=1))


def kept(folder: Path, names: Iterable[str]) -> list[Result]:
    """Return what is there, in the order of the names."""
    files = (folder / f"{name}.json" for name in names)
    return [_read(json.loads(file.read_text())) for file in files if file.exists()]


def _read(body: dict[str, object]) -> Result:
    of = body.pop("of")
    kind = Fuzzed if body["name"] == FUZZ else Outcome
    return Result(**body, of=kind(**of))  # type: ignore[arg-type]
