"""What tells watts on the stage, and can be taken away: exporters, and a Prometheus-compatible server."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.load import Size
from chaos import world
from cluster.cluster import Cluster
from e2e.fakes import Fakes
from e2e.harness import REPO, eventually


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Exporters:
    """`fakenpu` on a port of its own, so that it can die and come back at the same address."""

    def __init__(self, cluster: Cluster, size: Size) -> None:
        self._port = free_port()
        self.fakes = Fakes(f"http://127.0.0.1:{self._port}")
        self._nodes = [body["name"] for body in world.scenario(size)["nodes"]]
        self._folder = Path(tempfile.mkdtemp(prefix="kwatt-fakenpu-"))
        (self._folder / "stage.scenario").write_text(json.dumps(world.scenario(size)))
        self._kubeconfig = cluster.kubeconfig
        self._before = Counter[str]()  # joules that earlier processes counted
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Exporters:
        """Run it and wait until it answers."""
        command = [sys.executable, "-m", "fakenpu", "run", "--watch", "--port", str(self._port)]
        command += ["-f", str(self._folder / "stage.scenario")]
        with (self._folder / "fakenpu.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--kubeconfig", str(self._kubeconfig)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                cwd=REPO,
            )
        eventually(self._answers, 30, "the exporters")
        return self

    def kill(self) -> None:
        """End it without any chance to say so."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._before = Counter(self.truth())
        self._process.kill()
        self._process.wait(30)
        self._process = None

    def truth(self) -> dict[str, float]:
        """Return the joules that the pods of each service, as namespace/name, have truly used so far."""
        now = self.fakes.meter()
        return {name: now.get(name, 0.0) + self._before[name] for name in now | self._before}

    @contextlib.contextmanager
    def dead(self) -> Iterator[None]:
        """Be no process at all for the length of a block."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Answer 503 in the name of every node for the length of a block."""
        for node in self._nodes:
            self.fakes.put(f"faults/{node}", {"status": 503})
        try:
            yield
        finally:
            for node in self._nodes:
                self.fakes.clear_faults(node)

    def _answers(self) -> bool:
        try:
            self.fakes.meter()
        except OSError:
            return False
        return True


class PrometheusServer:
    """Answers every instant query with the same watts, on a port of its own, unless it is away."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> PrometheusServer:
        """Begin to answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _Query)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Be away for the length of a block."""
        self.stop()
        try:
            yield
        finally:
            self.start()


class _Query(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = {"metric": {}, "value": [time.time(), str(world.METER_WATTS)]}
        body = {"status": "success", "data": {"resultType": "vector", "result": [found]}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
