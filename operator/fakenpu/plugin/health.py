"""Health of the devices over HTTP on loopback: how a test or a demo breaks an NPU and mends it.

GET  /devices                                       {"furiosa.ai/rngd": {"furiosa-rngd-0": "Healthy"}}
POST /devices?health=Unhealthy&id=furiosa-rngd-0       the same, after the change
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

from fakenpu.plugin.devices import DeviceError, Devices
from fakenpu.plugin.messages import HEALTHY, UNHEALTHY

LOOPBACK = "127.0.0.1"
ANSWER_SECONDS = 5.0


def states(every: Sequence[Devices]) -> dict[str, dict[str, str]]:
    """Return the health of all devices by resource."""
    words = {True: HEALTHY, False: UNHEALTHY}
    return {
        one.resource.name: {name: words[healthy] for name, healthy in one.states().items()}
        for one in every
    }


def mark(every: Sequence[Devices], ids: Sequence[str], health: str) -> None:
    """Change the health of devices of any resource; raise DeviceError where the words make no sense."""
    known = {name for one in every for name in one.resource.ids}
    if health not in (HEALTHY, UNHEALTHY):
        raise DeviceError(f"health is {HEALTHY} or {UNHEALTHY}, not {health!r}")
    if not ids or not known.issuperset(ids):
        raise DeviceError(f"name devices by id: {', '.join(sorted(known))}")
    for one in every:
        one.mark(set(ids) & set(one.resource.ids), healthy=health == HEALTHY)


def server(every: Sequence[Devices], port: int) -> ThreadingHTTPServer:
    """Return a server on loopback; who made it runs it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that the library asks for
            self._send(200, states(every))

        def do_POST(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            try:
                mark(every, query.get("id", []), query.get("health", [""])[0])
            except DeviceError as error:
                self._send(400, {"error": str(error)})
            else:
                self._send(200, states(every))

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: what changes is in the answers."""

        def _send(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    return ThreadingHTTPServer((LOOPBACK, port), Answer)


def ask(port: int, ids: Sequence[str] = (), health: str = "") -> str:
    """Ask a running plugin for the states, after a change where `ids` are given."""
    query = f"?{urlencode({'health': health, 'id': list(ids)}, doseq=True)}" if ids else ""
    request = Request(f"http://{LOOPBACK}:{port}/devices{query}", method="POST" if ids else "GET")
    with urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  # loopback, fixed scheme
        return str(answer.read().decode())
