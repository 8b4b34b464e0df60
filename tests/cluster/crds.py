"""CRDs of other projects for tests, out of their Go modules, into the cache outside the checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from cluster import tools

MODULE = "sigs.k8s.io/gateway-api"
PINS = tools.HERE / "gateway-api"
HTTP_ROUTES = "gateway.networking.k8s.io_httproutes.yaml"


def http_routes_crd() -> Path:
    """Return the file with the CRD of the Gateway API's HTTPRoute, after obtaining it once."""
    folder = tools.cache_root() / f"gateway-api-{tools.pins_hash(PINS)}"
    target = folder / HTTP_ROUTES
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tools.locked(folder / "lock"), tools.workspace(folder / "work") as work:
            source = _module_folder(work) / "config" / "crd" / "standard" / HTTP_ROUTES
            partial = folder / "partial"
            shutil.copyfile(source, partial)
            partial.rename(target)
    return target


def _module_folder(work: Path) -> Path:
    """Return the folder of the pinned module; Go compares what it downloads with go.sum."""
    go = tools.find_go(tools.cache_root())
    command = [go, "mod", "download", "-json", MODULE]
    env = tools.build_environment(go, work)
    done = subprocess.run(command, cwd=PINS, env=env, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        why = answer.get("Error") or done.stderr.strip() or "no message"
        raise tools.Missing(f"{MODULE} could not be downloaded: {why}")
    return Path(answer["Dir"])
