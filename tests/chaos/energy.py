"""Follows the joules in every status: they only ever grow, and never beyond what was truly drawn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench.api import AWAY, Api, Body
from chaos.meters import Exporters

GROUP = "/apis/kwatt.dev/v1alpha1"
KINDS = ("inferenceservices", "powerbudgets", "npuclasses")


class Told(NamedTuple):
    """What the status of one object says."""

    kind: str
    name: str
    joules: float


class Meter:
    """Remembers objects by their uid: what is deleted and made anew begins at 0."""

    def __init__(self, api: Api, exporters: Exporters, followed: tuple[str, ...]) -> None:
        self.problems: list[str] = []
        self.seen: dict[str, Told] = {}
        self._api = api
        self._exporters = exporters
        self._followed = followed  # services, as namespace/name, that are held against the truth

    def take(self) -> None:
        """Compare with what was seen last and with the truth; an API that is away tells nothing."""
        try:
            told = self.told()
        except AWAY:
            return
        for uid, one in told.items():
            before = self.seen.get(uid, one).joules
            if one.joules < before:
                self.problems.append(f"{one.kind} {one.name}: {before} J, then {one.joules} J")
        self.seen |= told
        self._hold_against_truth(told)

    def told(self) -> dict[str, Told]:
        """Return what every status with joules says, by uid."""
        return {
            body["metadata"]["uid"]: Told(kind, _name(body), float(joules))
            for kind in KINDS
            for body in self._api.list(f"{GROUP}/{kind}")["items"]
            if (joules := body.get("status", {}).get("energy", {}).get("joules")) is not None
        }

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow for the length of a block."""
        end = threading.Event()

        def follow() -> None:
            while not end.wait(1.0):
                self.take()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def _hold_against_truth(self, told: dict[str, Told]) -> None:
        try:
            truth = self._exporters.truth()  # later than what was told, so never less
        except OSError:
            return
        for one in told.values():
            if one.name in self._followed and one.joules > truth.get(one.name, 0.0):
                drawn = truth.get(one.name, 0.0)
                self.problems.append(f"{one.name}: {one.joules} J told, {drawn} J drawn")


def _name(body: Body) -> str:
    metadata = body["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
