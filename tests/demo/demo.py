"""`make demo`: place the city services under rack caps on a real local control plane, load them, cut a cap.

Every line that starts with $ is a command that runs as printed, with its real output below; what does not
come about as told ends the demo with a failure. Nothing is left behind, also after Ctrl-C; with KEEP=1 the
control plane, the operator and the fake NPUs stay for working on by hand.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPO / "tests")  # in place of this folder, where `demo` would be this very file

from cluster import cluster as local  # noqa: E402  (runs as a program: the path comes first)
from demo.city import City  # noqa: E402
from demo.stage import Stage  # noqa: E402
from e2e.fakes import CITY_COUNTERS, Fakes  # noqa: E402
from e2e.harness import eventually, install_policies  # noqa: E402

NAME = "demo"
CUT_WATTS = 1600
UNREAD = "traffic-control"  # no exporter of its cards is known
SILENT = "food-identification"  # whose exporters die
ATOM = "rebellions-atom-ca12"  # the class that it runs on
WHERE = "-o jsonpath='{.status.conditions[?(@.type==\"%s\")].message}'"


class Dark(NamedTuple):
    """Nodes whose exporters are dead, and where the pods of `SILENT` were before that."""

    nodes: list[str]
    pods: dict[str, str]


def main() -> int:
    """Run the demo; return the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background jobs
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    local.down(NAME)
    print("starting etcd, kube-apiserver, kube-scheduler, kube-controller-manager and KWOK ...")
    city, kept = None, False
    try:
        city = City(local.up(NAME))
        show(city)
        kept = bool(os.environ.get("KEEP"))
    except KeyboardInterrupt:
        print("\ninterrupted, cleaning up ...")
        return 130
    except AssertionError as error:
        log = city.operator.text()[-3000:] if city and city.operator else ""
        print(f"\n{log}\nThe demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        if not kept:
            _end(city)
    print(
        _by_hand(city) if kept else "\nEverything is gone again. To go on by hand: make demo KEEP=1"
    )
    return 0


def _end(city: City | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it
    if city is not None:
        city.stop()
    local.down(NAME)


def show(city: City) -> None:
    """Tell the story."""
    stage = Stage(city.cluster)
    stage.say(
        "A real Kubernetes control plane. Simulated are the nodes (KWOK), their NPUs and the load (fakenpu)"
    )
    stage.run("kubectl version")
    _install(stage, city)
    fakes = _start(stage, city)
    _place(stage, city)
    first = _measure(stage, city)
    dark = _go_dark(stage, city, fakes)
    _ask(stage)
    _move(stage, city, first)
    _cut(stage, city)
    _hold(stage, city, dark)
    _return(stage, city, fakes, dark)
    _audit(stage, city, fakes)


def _install(stage: Stage, city: City) -> None:
    stage.say("CRDs, admission policies, the catalogue of NPUs, measured profiles")
    stage.run("kubectl apply --server-side -f crds", show=False)
    stage.run("kubectl wait --for=condition=Established crd --all --timeout=60s", show=False)
    install_policies(city.kubectl)
    stage.run("kubectl apply --server-side -f charts/kwatt/catalogue", show=False)
    stage.run(
        "kubectl apply --server-side --force-conflicts "
        "-f examples/00-namespaces.yaml -f examples/10-classes -f examples/20-profiles",
        show=False,
    )
    stage.run("kubectl get npuclasses")
    stage.say(
        f"The exporters of {ATOM} are read every 5 s, as often as they refresh (15 s is the default)"
    )
    every = '{"spec":{"telemetry":{"intervalSeconds":5}}}'
    stage.run(f"kubectl patch npuclass {ATOM} --type=merge -p '{every}'")


def _start(stage: Stage, city: City) -> Fakes:
    stage.say(
        "Twelve nodes in two racks, with the labels and resources that the vendors' plugins set"
    )
    stage.run("kubectl apply -f examples/nodes", show=False)
    stage.run(
        "kubectl get nodes -L topology.kubernetes.io/rack,rebellions.ai/npu.product,furiosa.ai/npu.product"
    )
    fakes = city.start_fakes()
    stage.say(
        f"fakenpu run --watch -f examples/load/demo.scenario, at {fakes.url}: exporters and runtimes as "
        "the vendors'\nhave them; watts follow the load through the profiles' measured points, in real time"
    )
    city.start_operator("--telemetry-via", fakes.url)
    stage.say(
        f"kwatt run --telemetry-via {fakes.url}, with the rights of charts/kwatt/rbac.yaml and nothing more"
    )
    return fakes


def _place(stage: Stage, city: City) -> None:
    stage.say("Five services and four budgets")
    stage.run(
        "kubectl apply -f examples/30-services -f examples/40-budgets -f examples/50-quota.yaml"
    )
    eventually(city.is_served, 60, "all services are ready")
    stage.say("Placed, bound and running: rate, watts and units per joule as planned")
    stage.run("kubectl get kis -A")
    stage.run("kubectl get pods -A -l kwatt.dev/service -o wide")
    stage.say("Each node advertises its share of the caps: the kube-scheduler itself refuses more")
    stage.run(
        "kubectl get nodes -o "
        "'custom-columns=NODE:.metadata.name,WATTS:.status.allocatable.kwatt\\.dev/watts'"
    )
    stage.say("Where watts were never measured the status says that they are an assumption")
    stage.run(f"kubectl get kis {UNREAD} -n city-traffic {WHERE % 'Placed'}")


def _measure(stage: Stage, city: City) -> Decimal:
    stage.say("Load arrives. Where each runtime counts what it serves, the services say themselves")
    for name, counters in CITY_COUNTERS.items():
        namespace = city.service(name)["metadata"]["namespace"]
        patch = json.dumps({"spec": {"counters": counters}}, separators=(",", ":"))
        stage.run(f"kubectl patch kis {name} -n {namespace} --type=merge -p '{patch}'", show=False)
    with_rate, read = sorted(CITY_COUNTERS), sorted(set(CITY_COUNTERS) - {UNREAD})
    eventually(lambda: city.told("perSecond") == with_rate, 60, "the rate of all is measured")
    eventually(lambda: city.told("unitsPerJoule") == read, 60, f"so are units per joule of {read}")
    stage.say(
        f"Watts and units per joule, measured; {UNREAD} has no exporter that anybody knows, so only its rate is"
    )
    stage.shows("kubectl kwatt top -A", "hall", SILENT)
    return city.watts()


def _go_dark(stage: Stage, city: City, fakes: Fakes) -> Dark:
    pods = city.pods_of(SILENT)
    nodes = sorted(set(pods.values()))
    for node in nodes:
        fakes.put(f"faults/{node}", {"down": True})
    stage.say(
        f"The exporters of {' and '.join(nodes)} die now (a switch of fakenpu). Their last figure holds for "
        "30 s; meanwhile:"
    )
    return Dark(nodes, pods)


def _ask(stage: Stage) -> None:
    stage.say(
        "What would happen if rack a1 had only 1,600 W? The same planner answers, nothing is written"
    )
    stage.run(f"kubectl kwatt plan --set budget/rack-a1={CUT_WATTS}")


def _move(stage: Stage, city: City, before: Decimal) -> None:
    eventually(lambda: city.watts() > before, 90, f"more than {before} W are measured")
    stage.say("Watts have moved with the load (figures that only move are written once a minute)")
    stage.run("kubectl get kis -A -o wide")
    stage.run("kubectl kwatt top -A")


def _cut(stage: Stage, city: City) -> None:
    stage.say(f"Now really: the cap of rack a1 is cut to {CUT_WATTS} W. The lowest priority yields")
    patch = f'{{"spec":{{"watts":{CUT_WATTS}}}}}'
    stage.run(f"kubectl patch powerbudget rack-a1 --type=merge -p '{patch}'")
    eventually(lambda: city.is_settled(CUT_WATTS), 60, "rack a1 keeps its new cap")
    stage.run("kubectl get kis assistant -n city-assistant")
    stage.say("Who yielded and why")
    stage.shows("kubectl kwatt explain city-assistant/assistant", "rack-a1", "of 1500")
    stage.run("kubectl get events -n city-assistant --field-selector reason=PowerBudgetExceeded")


def _hold(stage: Stage, city: City, dark: Dark) -> None:
    eventually(lambda: city.measured(SILENT) == ("False", "Stale"), 90, f"{SILENT} is Stale")
    stage.say(
        "The dead exporters are missed. Nothing is decided without them: the same pods run on"
    )
    stage.run(f"kubectl get kis {SILENT} -n city-food {WHERE % 'Measured'}")
    stage.shows(f"kubectl get kis {SILENT} -n city-food", "2/2", "True")
    assert city.pods_of(SILENT) == dark.pods, "a service was moved because nobody measures it"


def _return(stage: Stage, city: City, fakes: Fakes, dark: Dark) -> None:
    for node in dark.nodes:
        fakes.clear_faults(node)
    stage.say(
        "The exporters return. The cap is raised again, and the assistant comes back by itself"
    )
    stage.run("""kubectl patch powerbudget rack-a1 --type=merge -p '{"spec":{"watts":2000}}'""")
    eventually(city.is_served, 60, "all services are ready")
    stage.run("kubectl get kis -A")
    eventually(lambda: city.measured(SILENT)[0] == "True", 90, f"{SILENT} is measured again")
    stage.say(
        "Measured again; the seconds that nobody saw are counted, their joules are not made up"
    )
    stage.shows(f"kubectl kwatt explain city-food/{SILENT}", "were not measured and are not in it")


def _audit(stage: Stage, city: City, fakes: Fakes) -> None:
    told = float(city.service("assistant")["status"]["energy"]["joules"])
    used = fakes.joules("city-assistant/assistant")
    stage.say(
        f"The assistant's status, written once a minute, is at {told / 1000:.2f} kJ; the exact meter of "
        f"fakenpu is at {used / 1000:.2f} kJ now"
    )
    assert 0 < told <= used, f"{told} J are told, {used} J were used"


def _by_hand(city: City | None) -> str:
    assert city is not None
    assert city.operator is not None
    assert city.fakenpu is not None
    programs = f"{city.cluster.bin}:{Path(sys.executable).parent}"
    ids = f"{city.operator.pid} {city.fakenpu.pid}"
    return f"""
The control plane, the operator (log {city.operator.log}) and fakenpu go on. In this shell:

  export KUBECONFIG={city.cluster.kubeconfig} PATH={programs}:$PATH
  kubectl kwatt top -A                           # watch budgets and services
  kubectl edit powerbudget rack-a1               # cut or raise a cap
  kubectl kwatt explain city-assistant/assistant
  kubectl kwatt plan --set budget/hall=3kW       # ask first
  kubectl delete node a1-rngd-2                  # lose a node

  kill {ids}; make cluster-down         # remove every trace"""


if __name__ == "__main__":
    sys.exit(main())
