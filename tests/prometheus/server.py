"""A Prometheus of one's own on loopback, for as long as a test takes."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from prometheus.programs import programs

_WITHIN_SECONDS = 60.0


class Refused(Exception):
    """Prometheus refuses a query; the message is its own."""


class Prometheus:
    """What a running Prometheus answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Evaluate at one time, now by default."""
        given = {"query": expression} | ({} if at is None else {"time": str(at)})
        return list(self._get("query", given)["result"])

    def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[dict[str, Any]]:
        """Evaluate over a span."""
        given = {"query": expression, "start": str(start), "end": str(end), "step": str(step)}
        return list(self._get("query_range", given)["result"])

    def names(self) -> set[str]:
        """Return the names of all series that were scraped."""
        return set(self._get("label/__name__/values", {}))

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their state and health."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def ready(self) -> bool:
        """Tell whether it answers."""
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
            return True
        return False

    def _get(self, what: str, given: Mapping[str, str]) -> Any:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(given)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["error"]) from error


@contextlib.contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], rules: Sequence[Path] = (), *, port: int = 0, **job: Any
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes `targets` (host:port) every second, below `folder`.

    `job` is what else its scrape configuration says; the port is a free one unless given.
    """
    scrape = {"job_name": "kwatt", "static_configs": [{"targets": list(targets)}], **job}
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port = port or free_port()
    command = [str(programs() / "prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        running = Prometheus(port)
        _wait(running, process, folder / "log")
        yield running
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(running: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _WITHIN_SECONDS
    while not running.ready():
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"Prometheus does not answer: {log.read_text()[-2000:]}")
        time.sleep(0.05)  # the pace of polling; the deadline decides


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
