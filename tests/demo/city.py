"""The city of the demo: control plane, operator and fake NPUs, and what is seen of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal

from cluster import cluster as local
from e2e.fakes import CITY_COUNTERS, CITY_LOADS, Fakes
from e2e.harness import REPO, Body, Kubectl, Operator, condition, eventually


class City:
    """Starts and stops what runs beside the control plane, and asks the control plane."""

    def __init__(self, cluster: local.Cluster) -> None:
        self.cluster = cluster
        self.kubectl = Kubectl(cluster)
        self.operator: Operator | None = None
        self.fakenpu: subprocess.Popen[bytes] | None = None

    def start_fakes(self) -> Fakes:
        """Run `fakenpu` on this cluster, with the loads of the example services."""
        log = self.cluster.kubeconfig.with_name("fakenpu.log")
        command = [sys.executable, "-m", "fakenpu", "run", "--watch", "--port", "0"]
        command += ["-f", str(CITY_LOADS), "--kubeconfig", str(self.cluster.kubeconfig)]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as output:
            self.fakenpu = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=REPO
            )
        found = eventually(lambda: re.search(r"fakenpu: (http://\S+)", log.read_text()), 60)
        return Fakes(found[1])

    def start_operator(self, *options: str) -> Operator:
        """Run the operator with its own rights."""
        self.operator = Operator(self.cluster, "demo", *options).start()
        return self.operator

    def stop(self) -> None:
        """End what was started beside the control plane."""
        if self.operator is not None:
            self.operator.stop()
            shutil.rmtree(self.operator.log.parent)
        if self.fakenpu is not None:
            self.fakenpu.terminate()
            self.fakenpu.wait(timeout=30)

    def is_served(self) -> bool:
        """Tell whether every service is served in full."""
        found = self.kubectl.items("kis", "-A")
        ready = [one for one in found if condition(one, "Ready").get("status") == "True"]
        return len(ready) == len(CITY_COUNTERS)

    def is_settled(self, cap: int) -> bool:
        """Tell whether rack a1 keeps a new cap, and the assistant runs as placed."""
        budget = self.kubectl.get("powerbudget", "rack-a1")
        placed = self.service("assistant")["status"].get("placements", [])
        steady = all(row["replicas"] == row["readyReplicas"] for row in placed)
        cut = budget["status"]["capWatts"] == str(cap)
        return cut and steady and condition(budget, "Exceeded").get("status") == "False"

    def service(self, name: str) -> Body:
        """Return a service by its name alone."""
        found = self.kubectl.items("kis", "-A")
        return next(one for one in found if one["metadata"]["name"] == name)

    def measured(self, name: str) -> tuple[str, str]:
        """Return what a service says of its being measured: status and reason."""
        said = condition(self.service(name), "Measured")
        return said.get("status", ""), said.get("reason", "")

    def told(self, figure: str) -> list[str]:
        """Return the services of which a figure is measured."""
        found = self.kubectl.items("kis", "-A")
        return sorted(
            one["metadata"]["name"]
            for one in found
            if figure in one.get("status", {}).get("measured", {})
        )

    def watts(self) -> Decimal:
        """Return the measured watts of all services together."""
        found = self.kubectl.items("kis", "-A")
        told = (one.get("status", {}).get("measured", {}).get("watts", "0") for one in found)
        return sum(map(Decimal, told), Decimal(0))

    def pods_of(self, service: str) -> dict[str, str]:
        """Return the node of each pod of a service."""
        pods = self.kubectl.items("pods", "-A", "-l", f"kwatt.dev/service={service}")
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}
