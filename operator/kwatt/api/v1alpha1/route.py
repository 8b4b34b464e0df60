"""The route of an InferenceService, in the words of the Gateway API: Gateway, listener, host names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kwatt.api.v1alpha1.fields import Keyed, Part, Pattern

_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DOTTED = rf"{_PART}([.]{_PART})*"
_WORDS = "lower-case letters, digits, '-' and '.'"

DnsName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Pattern(_DOTTED, f"must be the name of an object: {_WORDS}"),
]
Namespace = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Pattern(_PART, "must be the name of a namespace: lower-case letters, digits and '-'"),
]
Hostname = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Pattern(
        rf"([*][.])?{_DOTTED}",
        f"must be a host name: {_WORDS}, perhaps '*.' in front; no port, no path",
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]


class GatewayReference(Part):
    """The Gateway that carries the route."""

    name: DnsName = Field(description="Name of the Gateway.")
    namespace: Namespace | None = Field(
        default=None, description="Its namespace; that of the service when absent."
    )
    section_name: DnsName | None = Field(
        default=None, description="Name of one of its listeners; every listener when absent."
    )


class Route(Part):
    """How requests reach the service through a Gateway."""

    gateway: GatewayReference = Field(
        description="Gateway that carries the HTTPRoute which KWatt writes."
    )
    hostnames: Annotated[tuple[Hostname, ...], Keyed()] = Field(
        default=(),
        max_length=16,
        description="Host names of the route; those of the listener when absent.",
    )
    port: Port | None = Field(
        default=None,
        description="Container port that requests go to; the template's first TCP port when absent.",
    )
