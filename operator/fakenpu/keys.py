"""What pods, services and cards are called."""

from __future__ import annotations

from typing import NamedTuple


class PodKey(NamedTuple):
    """A pod."""

    namespace: str
    name: str


class ServiceKey(NamedTuple):
    """An InferenceService."""

    namespace: str
    name: str


class CardKey(NamedTuple):
    """A card by its number on its node."""

    node: str
    card: int
