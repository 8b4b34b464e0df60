"""The operator as its Deployment would run it: started again whenever it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import urllib.error
import urllib.request
from pathlib import Path

from cluster.cluster import Cluster
from e2e.harness import Operator

CLOCK = Path(__file__).with_name("clock")
HEALTH = ("healthz", "readyz")


class Supervised(Operator):
    """An operator behind the proxy, on a port of its own, that is started again while it is kept."""

    def __init__(self, cluster: Cluster, name: str, port: int, *args: str) -> None:
        super().__init__(cluster, name, "--port", str(port), *args)
        self._fixed = port
        self.starts = 0
        self.clock = self.log.with_name("clock")
        self.env = {"PYTHONPATH": f"{CLOCK}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        self.env |= {"KWATT_TEST_CLOCK": str(self.clock)}
        self._kept = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._keep, daemon=True).start()

    @property
    def port(self) -> int:
        """Return where it serves its probes and metrics, also while it does not."""
        return self._fixed

    def keep(self) -> None:
        """Start it, and again whenever it ends."""
        self._kept.set()

    def leave(self) -> None:
        """End it for good; give it a moment to clean up."""
        self._kept.clear()
        with self._lock:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
            self.stop()

    def signal(self, number: int) -> None:
        """Send a signal to the process, where it runs."""
        if self.running:
            os.kill(self.pid, number)

    def _keep(self) -> None:
        while True:
            self._kept.wait()
            with self._lock:
                if self._kept.is_set() and not self.running:
                    self.starts += 1
                    self.start()
            threading.Event().wait(0.3)  # the pace of a kubelet, made faster

    def unhealthy(self) -> list[str]:
        """Return which probe fails, with its answer."""
        found = []
        for probe in HEALTH:
            try:
                with urllib.request.urlopen(self._url(probe), timeout=10):
                    pass
            except urllib.error.HTTPError as error:
                found.append(f"{probe}: {error.read().decode(errors='replace')[:200]}")
            except OSError as error:
                found.append(f"{probe}: {error}")
        return found

    def metrics(self) -> str:
        """Return what it tells of itself, nothing where it does not answer."""
        with contextlib.suppress(OSError), urllib.request.urlopen(self._url("metrics")) as answer:
            return str(answer.read().decode())
        return ""

    def leads(self) -> bool:
        """Tell whether it says that it leads."""
        return "kwatt_leader 1.0" in self.metrics()

    def stored(self) -> dict[str, int]:
        """Return how many objects of each kind it believes in."""
        line = re.compile(r'kwatt_store_objects\{kind="(\w+)"\} (\S+)')
        return {kind: int(float(count)) for kind, count in line.findall(self.metrics())}

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"
