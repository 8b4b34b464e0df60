"""`make demo`: place the city services under rack caps on a real local control plane, then cut a cap.

Every line that starts with $ is a command that runs as printed, with its real output below. Nothing is
left behind, also after Ctrl-C; with KEEP=1 the control plane and the operator stay for working on by hand.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests"))

from cluster import cluster as local  # noqa: E402  (runs as a program: the path comes first)
from e2e.harness import Kubectl, Operator, condition, eventually  # noqa: E402

NAME = "demo"
CUT_WATTS = 1600
SERVICES = (
    "assistant",
    "food-identification",
    "hazard-detection",
    "nutrition-notes",
    "traffic-control",
)


class Stage:
    """Shows commands with their output, and what they mean."""

    def __init__(self, cluster: local.Cluster) -> None:
        self._began = time.monotonic()
        programs = [str(cluster.bin), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._env = {
            **os.environ,
            "KUBECONFIG": str(cluster.kubeconfig),
            "PATH": os.pathsep.join(programs),
            "COLUMNS": "118",
        }

    def say(self, text: str) -> None:
        """Print a line of explanation with the time that has passed."""
        passed = time.monotonic() - self._began
        print(f"\n\033[1m[{passed:5.1f} s] {text}\033[0m", flush=True)

    def run(self, command: str, *, show: bool = True) -> None:
        """Run a command as a user would; exit statuses are part of what is shown."""
        print(f"$ {command}", flush=True)
        done = subprocess.run(
            shlex.split(command),
            env=self._env,
            cwd=REPO,
            capture_output=True,
            text=True,
            check=False,
        )
        output = (done.stdout + done.stderr).rstrip()
        if show or done.returncode not in (0, 3):
            print(output, flush=True)
        if done.returncode not in (0, 3):  # 3: kwatt plan found something unplaced
            raise SystemExit(f"failed with status {done.returncode}: {command}")


def main() -> int:
    """Run the demo; return the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background jobs
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    keep = bool(os.environ.get("KEEP"))
    local.down(NAME)
    print("starting etcd, kube-apiserver, kube-scheduler, kube-controller-manager and KWOK ...")
    cluster, operator = local.up(NAME), None
    try:
        operator = Operator(cluster, NAME)
        show(cluster, operator)
        if keep:
            print(_by_hand(cluster, operator))
            return 0
    except KeyboardInterrupt:
        print("\ninterrupted, cleaning up ...")
        return 130
    finally:
        if not (keep and sys.exc_info()[0] is None):
            if operator is not None:
                operator.stop()
            local.down(NAME)
    print("\nEverything is gone again. To go on by hand: make demo KEEP=1")
    return 0


def show(cluster: local.Cluster, operator: Operator) -> None:
    """Tell the story."""
    stage, kubectl = Stage(cluster), Kubectl(cluster)
    stage.say(
        "A real Kubernetes control plane; KWOK simulates nodes, everything else is the real thing"
    )
    stage.run("kubectl version")
    _install(stage)
    stage.say(
        "Twelve nodes in two racks, with the labels and resources that the vendors' plugins set"
    )
    stage.run("kubectl apply -f examples/nodes", show=False)
    stage.run(
        "kubectl get nodes -L topology.kubernetes.io/rack,rebellions.ai/npu.product,furiosa.ai/npu.product"
    )
    stage.say("Five services and four budgets; no pod runs yet, because no operator does")
    stage.run(
        "kubectl apply -f examples/30-services -f examples/40-budgets -f examples/50-quota.yaml"
    )
    stage.say("kwatt run, with the rights of charts/kwatt/rbac.yaml and nothing more")
    operator.start()
    eventually(_all_ready(kubectl), 60, operator.text())
    _look(stage)
    stage.say(
        "What would happen if rack a1 had only 1,600 W? The same planner answers, nothing is written"
    )
    stage.run(f"kubectl kwatt plan --set budget/rack-a1={CUT_WATTS}")
    _cut(stage, kubectl, operator)
    stage.say("The cap is raised again, and the service comes back by itself")
    stage.run("""kubectl patch powerbudget rack-a1 --type=merge -p '{"spec":{"watts":2000}}'""")
    eventually(_all_ready(kubectl), 60, operator.text())
    stage.run("kubectl get kis -A")


def _install(stage: Stage) -> None:
    stage.say(
        "CRDs, the catalogue of NPUs (incomplete where nothing is published), measured profiles"
    )
    stage.run("kubectl apply --server-side -f crds", show=False)
    stage.run("kubectl wait --for=condition=Established crd --all --timeout=60s", show=False)
    stage.run("kubectl apply --server-side -f charts/kwatt/catalogue", show=False)
    stage.run(
        "kubectl apply --server-side --force-conflicts "
        "-f examples/00-namespaces.yaml -f examples/10-classes -f examples/20-profiles",
        show=False,
    )
    stage.run("kubectl get npuclasses")


def _look(stage: Stage) -> None:
    stage.say("Placed, bound and running: rate, watts and inferences per joule of each service")
    stage.run("kubectl get kis -A -o wide")
    stage.run("kubectl get powerbudgets")
    stage.run("kubectl get pods -A -l kwatt.dev/service -o wide")
    stage.say("Each node advertises its share of the caps: the kube-scheduler itself refuses more")
    stage.run(
        "kubectl get nodes -o "
        "'custom-columns=NODE:.metadata.name,WATTS:.status.allocatable.kwatt\\.dev/watts'"
    )
    stage.say("Where watts were never measured the status says that they are an assumption")
    stage.run(
        "kubectl get kis traffic-control -n city-traffic "
        "-o jsonpath='{.status.conditions[?(@.type==\"Placed\")].message}'"
    )


def _cut(stage: Stage, kubectl: Kubectl, operator: Operator) -> None:
    stage.say(f"Now really: the cap of rack a1 is cut to {CUT_WATTS} W. The lowest priority yields")
    patch = f'{{"spec":{{"watts":{CUT_WATTS}}}}}'
    stage.run(f"kubectl patch powerbudget rack-a1 --type=merge -p '{patch}'")
    eventually(lambda: _settled(kubectl), 60, operator.text())
    stage.run("kubectl get kis -A -o wide")
    stage.run("kubectl get powerbudgets rack-a1")
    stage.say("Who yielded and why, in the object itself")
    stage.run(
        "kubectl get kis assistant -n city-assistant "
        "-o jsonpath='{.status.conditions[?(@.type==\"Placed\")].message}'"
    )
    stage.run("kubectl get events -n city-assistant --field-selector reason=PowerBudgetExceeded")


def _all_ready(kubectl: Kubectl) -> Callable[[], bool]:
    def probe() -> bool:
        found = kubectl.items("kis", "-A")
        ready = [s for s in found if condition(s, "Ready").get("status") == "True"]
        return len(ready) == len(SERVICES)

    return probe


def _settled(kubectl: Kubectl) -> bool:
    budget = kubectl.get("powerbudget", "rack-a1")
    assistant = kubectl.get("kis", "assistant", "-n", "city-assistant")
    rows = assistant["status"].get("placements", [])
    steady = all(row["replicas"] == row["readyReplicas"] for row in rows)
    cut = budget["status"]["capWatts"] == str(CUT_WATTS)
    return cut and steady and condition(budget, "Exceeded").get("status") == "False"


def _by_hand(cluster: local.Cluster, operator: Operator) -> str:
    programs = f"{cluster.bin}:{Path(sys.executable).parent}"
    return f"""
The control plane and the operator (process {operator.pid}, log {operator.log}) go on. In this shell:

  export KUBECONFIG={cluster.kubeconfig} PATH={programs}:$PATH
  kubectl get kis -A -w                          # watch the services
  kubectl edit powerbudget rack-a1               # cut or raise a cap
  kubectl describe kis assistant -n city-assistant
  kubectl kwatt plan --set budget/hall=3kW       # ask first
  kubectl delete node a1-rngd-2                  # lose a node

  kill {operator.pid}; make cluster-down         # remove every trace"""


if __name__ == "__main__":
    sys.exit(main())
