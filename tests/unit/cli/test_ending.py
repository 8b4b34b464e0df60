"""`kwatt run` that is told to end while it starts, as the first process of a container."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml

AS_THE_FIRST_PROCESS = """trap '' TERM; exec "$0" -m kwatt run"""


def test_it_ends_at_once_though_the_api_server_has_not_answered_yet(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        cluster = {"server": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        config = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        process = subprocess.Popen(
            ["sh", "-c", AS_THE_FIRST_PROCESS, sys.executable],
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )
        try:
            with silent.accept()[0]:  # it has started and waits for the answer
                process.send_signal(signal.SIGTERM)

                assert process.wait(timeout=30) == 128 + signal.SIGTERM
        finally:
            process.kill()
