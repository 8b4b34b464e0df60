"""Names of things, as tuples that sort."""

from __future__ import annotations

from typing import NamedTuple


class ServiceKey(NamedTuple):
    """An InferenceService."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class PodKey(NamedTuple):
    """A Pod."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Variant(NamedTuple):
    """What makes replicas alike, and so what one Deployment is for.

    `resource` is the extended resource asked for, `npus` its count per replica, `setting` a hash of the
    operating points' `env` ("" without env): another setting is another pod template, hence a restart.
    """

    npu_class: str
    resource: str
    npus: int
    setting: str
