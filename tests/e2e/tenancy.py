"""What a tenant of one namespace sends: paths and small manifests for attempts to escape."""

from __future__ import annotations

from typing import Any, NamedTuple

from e2e import worlds
from e2e.harness import World
from e2e.intruder import Answer, Intruder

Body = dict[str, Any]
KWATT = "/apis/kwatt.dev/v1alpha1"
NODE = "kubernetes.io/hostname"
OWN_LABELS = {
    "kwatt.dev/service": "cam",
    "kwatt.dev/variant": "cam-one-00000",
    "kwatt.dev/npu-class": "one",
    "kwatt.dev/npus": "1",
}


def core(namespace: str, *parts: str) -> str:
    """Return a path of the core API within a namespace."""
    return "/".join(("/api/v1/namespaces", namespace, *parts))


def apps(namespace: str, *parts: str) -> str:
    """Return a path of the API of workloads within a namespace."""
    return "/".join(("/apis/apps/v1/namespaces", namespace, *parts))


def services(namespace: str, *parts: str) -> str:
    """Return a path of InferenceServices within a namespace."""
    return "/".join((f"{KWATT}/namespaces", namespace, "inferenceservices", *parts))


def pod_spec(asked: Body | None = None, **spec: Any) -> Body:
    """Return the spec of a pod with one container that asks for resources."""
    resources = {"requests": asked, "limits": asked} if asked else {}
    return {"containers": [{"name": "a", "image": worlds.IMAGE, "resources": resources}], **spec}


def pod(spec: Body | None = None, **metadata: Any) -> Body:
    """Return a pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "forged", **metadata},
        "spec": spec or pod_spec(),
    }


def service(**metadata: Any) -> Body:
    """Return a Service without pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "forged", **metadata},
        "spec": {"clusterIP": "None"},
    }


def deployment(spec: Body | None = None, pod_labels: Body | None = None, **metadata: Any) -> Body:
    """Return a Deployment without replicas."""
    chosen = {"app": "forged"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "forged", **metadata},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": chosen},
            "template": {
                "metadata": {"labels": {**chosen, **(pod_labels or {})}},
                "spec": spec or pod_spec(),
            },
        },
    }


def workloads(
    spec: Body | None = None, pod_labels: Body | None = None
) -> dict[str, tuple[str, Body]]:
    """Return one workload of each kind that makes pods of that kind, with the end of its path."""
    made = deployment(spec, pod_labels)
    inner = made["spec"]
    job_pod = {**inner["template"]["spec"], "restartPolicy": "Never"}
    job = {"template": {**inner["template"], "spec": job_pod}}
    alike = {"selector": inner["selector"], "template": inner["template"]}
    specs: dict[str, tuple[str, str, Body]] = {
        "Deployment": ("apps/v1", "deployments", inner),
        "ReplicaSet": ("apps/v1", "replicasets", inner),
        "StatefulSet": ("apps/v1", "statefulsets", {**inner, "serviceName": "forged"}),
        "DaemonSet": ("apps/v1", "daemonsets", alike),
        "Job": ("batch/v1", "jobs", job),
        "CronJob": (
            "batch/v1",
            "cronjobs",
            {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}},
        ),
        "ReplicationController": (
            "v1",
            "replicationcontrollers",
            {**inner, "selector": inner["selector"]["matchLabels"]},
        ),
    }
    return {
        kind: (
            f"{version} {plural}",
            {"apiVersion": version, "kind": kind, "metadata": {"name": "forged"}, "spec": one},
        )
        for kind, (version, plural, one) in specs.items()
    }


def collection(namespace: str, version_and_plural: str) -> str:
    """Return the path of the collection of a workload."""
    version, plural = version_and_plural.split()
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{plural}"


def owned_by(service: Body) -> list[Body]:
    """Return an ownerReference to an InferenceService."""
    metadata = service["metadata"]
    return [
        {
            "apiVersion": "kwatt.dev/v1alpha1",
            "kind": "InferenceService",
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
        }
    ]


class Stage(NamedTuple):
    """A tenant with a service that runs in its own namespace, and somebody else's namespace."""

    tenant: Intruder
    world: World
    own: str
    others: str
    service: Body

    def create(self, path: str, body: Body) -> Answer:
        """Create as the tenant."""
        return self.tenant.create(path, body)
