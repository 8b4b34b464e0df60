"""A day of demand in four shapes, as units per second at each step. Equal seeds give equal days."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DAY_SECONDS: Final = 24 * 3600
STEP_SECONDS: Final = 5
STEPS: Final = DAY_SECONDS // STEP_SECONDS
MINUTES: Final = 60
TOKENS_PER_REQUEST: Final = 211  # mean of GeneratedTokens of the conversation trace
_BY_MINUTE: Final = Path(__file__).parents[1] / "planner" / "data" / "azure_minutes.csv"


def shapes_of(trace: Path | None, peak: float, seed: int) -> Mapping[str, Floats]:
    """Return demand by name; the mean of the busiest minute is `peak` units per second.

    `trace` is a folder with the original AzureLLMInferenceTrace_*.csv; without it the repository's sums per
    minute are used, which were made of them.
    """
    hours = {name: _tokens_by_minute(trace, name) for name in ("conv", "code")}
    curves = {
        "Azure 2023, conversation": _stretched(hours["conv"]),
        "Azure 2023, code": _stretched(hours["code"]),
        "diurnal": _diurnal(),
        "steps": _steps(),
    }
    return {
        name: _arrivals(curve / curve.max() * peak, np.random.default_rng([seed, number]))
        for number, (name, curve) in enumerate(curves.items())
    }


def _arrivals(mean: Floats, rng: np.random.Generator) -> Floats:
    """Draw whole requests (Poisson) around the mean rate."""
    per_step = mean * STEP_SECONDS / TOKENS_PER_REQUEST
    found: Floats = rng.poisson(per_step) * (TOKENS_PER_REQUEST / STEP_SECONDS)
    return found


def _stretched(tokens: Floats) -> Floats:
    """Stretch the hour to a day; what happens within a minute is interpolated."""
    at = np.arange(STEPS) * MINUTES / STEPS
    found: Floats = np.interp(at, np.arange(MINUTES), tokens, period=MINUTES)
    return found


def _diurnal() -> Floats:
    """A sine over the day from a fifth of the peak at 04:00 to the peak at 16:00."""
    hours = np.arange(STEPS) * 24 / STEPS
    found: Floats = 0.6 - 0.4 * np.cos((hours - 4) * np.pi / 12)
    return found


def _steps() -> Floats:
    """A fifth of the peak by night, the whole from 08:00 to 20:00, a half for an hour at noon; at once."""
    hours = np.arange(STEPS) * 24 / STEPS
    busy = (hours >= 8) & (hours < 20)
    noon = (hours >= 12) & (hours < 13)
    found: Floats = np.where(noon, 0.5, np.where(busy, 1.0, 0.2))
    return found


def _tokens_by_minute(trace: Path | None, name: str) -> Floats:
    read: Callable[[str], dict[int, float]] = (
        _kept_minutes if trace is None else lambda one: _original_minutes(trace, one)
    )
    found = read(name)
    first = min(found)
    return np.array([found.get(first + minute, 0.0) for minute in range(MINUTES)])


def _kept_minutes(name: str) -> dict[int, float]:
    with _BY_MINUTE.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["service"] == name]
    return {_minute(row["minute"]): float(row["generated_tokens"]) for row in rows}


def _original_minutes(trace: Path, name: str) -> dict[int, float]:
    found: dict[int, float] = {}
    with (trace / f"AzureLLMInferenceTrace_{name}.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            minute = _minute(row["TIMESTAMP"])
            found[minute] = found.get(minute, 0.0) + float(row["GeneratedTokens"])
    return found


def _minute(text: str) -> int:
    return int(datetime.fromisoformat(text[:16]).timestamp()) // 60
