"""A tenant's pod that looks like an exporter is not read; the administrator's beside it, as alike, is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from e2e import deployed, tenancy, worlds
from e2e.harness import World, condition, eventually
from e2e.tenancy import Stage

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(deployed.given() is not None, reason="addresses of this machine's loopback"),
]
TENANTS, ADMINISTRATORS = "127.0.0.2", "127.0.0.3"
LABELS = {"app": "exporter"}


class Exporters:
    """Exporters at two addresses and one port, and which of them was asked how often."""

    def __init__(self, stack: ExitStack) -> None:
        self.asked: list[str] = []
        self.port = 0
        for address in (TENANTS, ADMINISTRATORS):
            server = ThreadingHTTPServer((address, self.port), self._handler(address))
            self.port = server.server_port
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)

    def _handler(self, address: str) -> type[BaseHTTPRequestHandler]:
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(address)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(b'card_watts{card="0"} 42.5\n')

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


@pytest.fixture
def exporters() -> Iterator[Exporters]:
    """Serve both exporters."""
    with ExitStack() as stack:
        yield Exporters(stack)


def at(world: World, name: str, address: str) -> None:
    """Give a running pod an address, as a kubelet would."""
    eventually(lambda: name in [pod["metadata"]["name"] for pod in world.running()], what=name)
    status = {"podIP": address, "podIPs": [{"ip": address}]}
    world.patch("pod", name, {"status": status}, "--subresource=status")
    (pod,) = (one for one in world.running() if one["metadata"]["name"] == name)
    found = pod["spec"]["nodeName"], pod["status"]["podIP"], condition(pod, "Ready")["status"]
    assert found == ("n1", address, "True")


def test_only_the_exporter_in_the_administrators_namespace_is_asked(
    stage: Stage, exporters: Exporters
) -> None:
    pods = tenancy.core(stage.own, "pods")
    stage.create(pods, tenancy.pod(name="a-liar", labels=LABELS)).granted()
    forged = {"status": {"podIP": ADMINISTRATORS}}
    assert "cannot patch" in stage.tenant.patch(f"{pods}/a-liar/status", forged).refused()
    theirs = World(stage.world.kubectl, stage.others)
    theirs.apply(
        {**tenancy.pod(name="exporter", labels=LABELS, namespace=stage.others)}
        | {"spec": tenancy.pod_spec(nodeSelector={tenancy.NODE: "n1"})}
    )
    at(stage.world, "a-liar", TENANTS)
    at(theirs, "exporter", ADMINISTRATORS)

    stage.world.apply(worlds.npu_class(telemetry=reading(stage.others, exporters.port)))

    eventually(lambda: exporters.asked.count(ADMINISTRATORS) > 1, 60, "asked twice")
    assert set(exporters.asked) == {ADMINISTRATORS}


def reading(namespace: str, port: int) -> worlds.Body:
    """Return how cards are read, from pods of one namespace."""
    return {
        "exporter": "Generic",
        "namespace": namespace,
        "podSelector": {"matchLabels": LABELS},
        "port": port,
        "metrics": ["card_watts"],
        "cardLabel": "card",
        "unit": "Watts",
        "intervalSeconds": 5,
    }
