"""The kopf shell: settings, login, and one event handler for KWatt's own kinds.

A handler stores what it saw and returns; all decisions are made by the reconciler's one loop. No finalizer,
no annotation and no progress is written on users' objects: kopf's own storages are replaced by empty ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import kopf
from kubernetes.aio.client import Configuration

from kwatt import names
from kwatt.cluster.client import PAGE

OWN_PLURALS: Final = {
    "InferenceService": "inferenceservices",
    "NPUClass": "npuclasses",
    "ModelProfile": "modelprofiles",
    "PowerBudget": "powerbudgets",
}
_CREDENTIAL_LIFE: Final = timedelta(minutes=10)
_EXIT_SECONDS: Final = 25.0  # below the usual grace period of 30 s

Offer = Callable[[str | None, dict[str, Any]], None]


class _Endless:
    """Delays between retries that never run out: an outage must not become a crash loop."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay * random.uniform(0.8, 1.2)  # noqa: S311  (jitter, not a secret)
            delay = min(delay * 1.6, 20.0)


class _NoProgress(kopf.ProgressStorage):
    """Stores no handler progress: no handler here has any."""

    def fetch(self, **_: Any) -> None:
        """Return no record."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Leave the object as it is."""
        return essence


class _NoDiffBase(kopf.DiffBaseStorage):
    """Stores no last-seen state: changes are found by the reconciler's own comparison."""

    def build(self, **_: Any) -> Any:
        """Return an empty essence, which spares kopf from copying every body."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Return no state."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


def build_registry(
    offers: Mapping[str, Offer], credentials: Callable[[], Configuration]
) -> kopf.OperatorRegistry:
    """Return kopf's registry: settings, login, and a handler per own kind that passes events on."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure_settings(settings)

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection(credentials(), datetime.now(UTC))

    for kind, plural in OWN_PLURALS.items():
        _watch(registry, plural, offers[kind])
    return registry


def _watch(registry: kopf.OperatorRegistry, plural: str, offer: Offer) -> None:
    @kopf.on.event(names.GROUP, names.VERSION, plural, id=f"seen-{plural}", registry=registry)
    async def seen(event: Mapping[str, Any], **_: Any) -> None:
        offer(event["type"], dict(event["object"]))


def configure_settings(settings: kopf.OperatorSettings) -> None:
    """Turn off what KWatt does itself, and make kopf patient with the API server."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.chunk_size = PAGE
    settings.queueing.idle_timeout = 0.5
    settings.networking.request_timeout = 15
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = _Endless()
    settings.process.ultimate_exiting_timeout = _EXIT_SECONDS
    settings.persistence.progress_storage = _NoProgress()
    settings.persistence.diffbase_storage = _NoDiffBase()


def connection(configuration: Configuration, now: datetime) -> kopf.ConnectionInfo:
    """Translate the client's access into kopf's; it expires, so that a rotated token is read again."""
    headers: Collection[str] = (configuration.api_key or {}).get("BearerToken", "").split()
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        token=list(headers)[-1] if headers else None,
        expiration=now + _CREDENTIAL_LIFE,
    )
