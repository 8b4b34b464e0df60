"""The port of a pod template that a route goes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]


def routed_port(template: Json, asked: int | None) -> int | None:
    """Return `asked`, or the first TCP port of the template; None where the template has it not.

    A template that no API server has checked yet may hold anything: what is no port is left out.
    """
    ports = list(_tcp_ports(template))
    if asked is None:
        return ports[0] if ports else None
    return asked if asked in ports else None


def _tcp_ports(template: Json) -> Iterator[int]:
    for container in _objects(_object(template.get("spec")).get("containers")):
        for port in _objects(container.get("ports")):
            number = port.get("containerPort")
            if isinstance(number, int) and port.get("protocol", "TCP") == "TCP":
                yield number


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
