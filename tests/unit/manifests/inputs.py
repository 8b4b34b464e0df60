"""Values that manifests are built from: small ones for one test, and those read from golden pairs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kwatt.changes.values import Cost, Release, Scale, ShareChange
from kwatt.manifests.deployments import Owner, Workload, build_deployment
from kwatt.manifests.patches import build_cost, build_release, build_share
from kwatt.manifests.routes import Backend, build_route
from kwatt.manifests.services import build_service, build_variant_service
from kwatt.model.keys import PodKey, ServiceKey, Variant
from kwatt.model.selectors import AffinityGap, Toleration

NOW = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)
OWNER = Owner("city", "traffic", "6d1f")
ATOM = Variant("rebellions-atom", "rebellions.ai/ATOM", 1, "")
Json = dict[str, Any]


def template(**spec: Any) -> Json:
    """Make a pod template with one container called server."""
    return {"spec": {"containers": [{"name": "server", "image": "yolo:1"}], **spec}}


def workload(**facts: Any) -> Workload:
    """Make a workload of the plain template."""
    plain: Json = {"template": template(), "override": None, "env": (), "tolerations": ()}
    return Workload(OWNER, **({"priority_class": None} | plain | facts))


def scale(variant: Variant = ATOM, replicas: int = 1, pod_watts: int = 48) -> Scale:
    """Make a scale of one replica of 48 W above idle."""
    return Scale(ServiceKey("city", "traffic"), variant, replicas, pod_watts, "batch-8")


def built(**facts: Any) -> Json:
    """Build the Deployment of `workload(**facts)`."""
    return build_deployment(workload(**facts), scale())


def release(**facts: Any) -> Release:
    """Make the release of a pod without node selector and affinity to n1, by hostname."""
    plain: Json = {"hostname": "host-1", "has_node_selector": False, "affinity_terms": None}
    return Release(PodKey("city", "p"), "77aa", "4711", "n1", **(plain | facts))


def deployment_of(given: Json) -> Json:
    """Build the Deployment of a golden pair's first document."""
    asked = given["scale"]
    variant = Variant(asked["npuClass"], asked["resource"], asked["npus"], asked.get("setting", ""))
    built_from = Workload(
        owner=Owner(**given["owner"]),
        template=given["template"],
        override=given.get("override"),
        env=tuple(given.get("env", {}).items()),
        tolerations=tuple(Toleration(**one) for one in given.get("tolerations", ())),
        priority_class=given.get("priorityClass"),
    )
    return build_deployment(built_from, scale(variant, asked["replicas"], asked["podWatts"]))


def service_of(given: Json) -> Json:
    """Build the Service of a golden pair's first document, that of a variant if it names one."""
    owner, asked = Owner(**given["owner"]), given.get("variant")
    if asked is None:
        return build_service(owner, given["template"])
    variant = Variant(asked["npuClass"], asked["resource"], asked["npus"], asked.get("setting", ""))
    return build_variant_service(owner, variant, given["template"])


def route_of(given: Json) -> Json:
    """Build the HTTPRoute of a golden pair's first document."""
    backends = [Backend(name, weight) for name, weight in given["backends"].items()]
    return build_route(Owner(**given["owner"]), given["route"], given["port"], backends)


def release_of(given: Json) -> list[Json]:
    """Build the patch that releases the pod of a golden pair's first document."""
    pod, terms = given["pod"], given.get("affinityTerms")
    seen = Release(
        pod=PodKey(pod["namespace"], pod["name"]),
        uid=pod["uid"],
        resource_version=pod["resourceVersion"],
        node=given["node"],
        hostname=given.get("hostname"),
        has_node_selector=given.get("hasNodeSelector", False),
        affinity_terms=AffinityGap(terms) if isinstance(terms, str) else terms,
    )
    return build_release(seen, NOW)


def share_of(given: Json) -> Json:
    """Build the patch of the node of a golden pair's first document."""
    change = ShareChange(given["node"], given["before"], given["after"], given["resourceVersion"])
    return build_share(change)


def cost_of(given: Json) -> Json:
    """Build the patch of the pod of a golden pair's first document."""
    pod = given["pod"]
    return build_cost(Cost(PodKey(pod["namespace"], pod["name"]), pod["uid"], given["cost"]))
