"""Arrivals of the Azure LLM inference trace 2023 (Azure/AzurePublicDataset, CC BY 4.0), counted by bucket.

Patel et al., "Splitwise: Efficient generative LLM inference using phase splitting", ISCA 2024.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from fakenpu.quantities import BadInput


class _Arrivals(NamedTuple):
    at: datetime
    requests: int
    tokens: int


def trace_buckets(file: Path, count: str, service: str, bucket_seconds: int) -> list[int]:
    """Return how much came in each bucket from the first arrival's minute to the last; raise BadInput.

    Reads both the original columns (one row per request) and counts per minute (`service` picks its rows).
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            arrivals = [_arrivals(row) for row in csv.DictReader(lines) if _is_of(row, service)]
    except (OSError, KeyError, ValueError) as error:
        raise BadInput(f"{file}: no trace of requests: {error!r}") from error
    if not arrivals:
        raise BadInput(f"{file}: has no arrivals of service {service!r}")
    return list(_counted(arrivals, count, bucket_seconds))


def _is_of(row: Mapping[str, str], service: str) -> bool:
    return not service or row.get("service", service) == service


def _arrivals(row: Mapping[str, str]) -> _Arrivals:
    if "TIMESTAMP" in row:
        return _Arrivals(_instant(row["TIMESTAMP"]), 1, int(row["GeneratedTokens"]))
    return _Arrivals(_instant(row["minute"]), int(row["requests"]), int(row["generated_tokens"]))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text[:26])  # seven decimals in the original, Python reads six


def _counted(arrivals: list[_Arrivals], count: str, bucket_seconds: int) -> Iterator[int]:
    start = min(arrival.at for arrival in arrivals).replace(second=0, microsecond=0)
    amounts: dict[int, int] = {}
    for arrival in arrivals:
        bucket = int((arrival.at - start).total_seconds()) // bucket_seconds
        amount = arrival.requests if count == "Requests" else arrival.tokens
        amounts[bucket] = amounts.get(bucket, 0) + amount
    return (amounts.get(bucket, 0) for bucket in range(max(amounts) + 1))
