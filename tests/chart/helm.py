"""The real Helm, and the chart as it renders."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from cluster import tools

REPO = Path(__file__).resolve().parents[2]
CHART = REPO / "charts" / "kwatt"
NAMESPACE = "kwatt-system"
KUBERNETES = "1.36.3"
Body = dict[str, Any]


class Refused(Exception):
    """Helm refused; the message is its own."""


def program(name: str) -> str:
    """Return the path of helm or kubeconform, which are built or downloaded where they are absent."""
    return str(tools.ensure(tools.ALL) / name)


def helm(*args: str, kubeconfig: Path | None = None) -> str:
    """Run helm and return what it printed. Raises Refused with its words."""
    env = {**os.environ, "KUBECONFIG": str(kubeconfig or os.devnull)}
    done = subprocess.run(
        [program("helm"), *args], env=env, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def render(*args: str, namespace: str = NAMESPACE) -> list[Body]:
    """Return the objects that the chart renders to without a cluster, in Helm's order."""
    told = helm(
        *("template", "kwatt", str(CHART), "-n", namespace, "--kube-version", KUBERNETES, *args)
    )
    return [body for body in yaml.safe_load_all(told) if body]


def of_kind(bodies: Iterable[Body], *kinds: str) -> dict[str, Body]:
    """Return the objects of some kinds by name."""
    return {body["metadata"]["name"]: body for body in bodies if body["kind"] in kinds}
