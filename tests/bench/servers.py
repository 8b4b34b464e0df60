"""Nodes and the pods of agents on them, as `kubectl get -o json` prints them. Values only.

They look as on a real cluster: labels of node-feature-discovery and of the provider, five conditions, twenty
images, nine agents on each node.
"""

from __future__ import annotations

import random
from typing import Any, Final

Body = dict[str, Any]
RACK: Final = "topology.kubernetes.io/rack"
PRODUCT: Final = "npu.example.com/product"
TIME: Final = "2026-11-20T03:14:15Z"
_NPUS: Final = 8
_IMAGES: Final = 20
_FEATURES: Final = (
    *(f"feature.node.kubernetes.io/cpu-cpuid.{name}" for name in (
        "ADX", "AESNI", "AMXBF16", "AMXINT8", "AMXTILE", "AVX", "AVX2", "AVX512BF16", "AVX512BW",
        "AVX512F", "AVX512VL", "AVX512VNNI", "FMA3", "GFNI", "SHA", "VAES", "VPCLMULQDQ",
    )),
    *(f"feature.node.kubernetes.io/{name}" for name in (
        "cpu-hardware_multithreading", "memory-numa", "pci-1eff.present", "storage-nonrotationaldisk",
    )),
)  # fmt: skip
_AGENTS: Final = (
    ("kube-system", "cilium", "100m", "512Mi"),
    ("kube-system", "kube-proxy", "100m", "128Mi"),
    ("kube-system", "csi-node", "50m", "64Mi"),
    ("npu-system", "npu-device-plugin", "50m", "64Mi"),
    ("npu-system", "npu-exporter", "50m", "64Mi"),
    ("node-feature-discovery", "nfd-worker", "20m", "64Mi"),
    ("monitoring", "node-exporter", "100m", "180Mi"),
    ("logging", "fluent-bit", "100m", "256Mi"),
    ("security", "runtime-agent", "200m", "512Mi"),
)


def uid(kind: str, number: int) -> str:
    """Return a uid that is always the same for the same object."""
    return str(random.Random(f"{kind}{number}").getrandbits(128))


def env(name: str, number: int) -> Body:
    """Return an environment variable."""
    return {"name": name, "value": f"{name.lower()}-{number % 10}"}


def node_name(number: int) -> str:
    """Return the name of a node."""
    return f"node-{number:05d}"


def node(number: int, rack: str, npu_class: str) -> Body:
    """Return a ready node with eight NPUs."""
    name = node_name(number)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "annotations": {
                "csi.volume.kubernetes.io/nodeid": f'{{"csi.example.com":"{name}"}}',
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "creationTimestamp": TIME,
            "labels": _labels(name, rack, npu_class, number),
            "name": name,
            "resourceVersion": str(1_000_000 + number),
            "uid": uid("Node", number),
        },
        "spec": {
            "podCIDR": f"10.{number // 256}.{number % 256}.0/24",
            "podCIDRs": [f"10.{number // 256}.{number % 256}.0/24"],
            "providerID": f"example:///{rack}/{name}",
            "taints": [{"effect": "NoSchedule", "key": "npu.example.com/present"}],
        },
        "status": _node_status(name, npu_class, number),
    }


def _labels(name: str, rack: str, npu_class: str, number: int) -> Body:
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        **dict.fromkeys(_FEATURES, "true"),
        "feature.node.kubernetes.io/kernel-version.full": "6.8.0-49-generic",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": f"npu.{npu_class}.8",
        PRODUCT: npu_class,
        RACK: rack,
        "topology.kubernetes.io/region": "kr-central",
        "topology.kubernetes.io/zone": f"kr-central-{number % 3}",
    }


def _node_status(name: str, npu_class: str, number: int) -> Body:
    npus = {f"npu.example.com/{npu_class}": str(_NPUS)}
    rest = {"ephemeral-storage": "1875439088Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0"}
    sizes = {**rest, **npus, "pods": "110"}
    return {
        "addresses": [
            {"address": f"172.16.{number // 256}.{number % 256}", "type": "InternalIP"},
            {"address": name, "type": "Hostname"},
        ],
        "allocatable": {"cpu": "95450m", "memory": f"{1_040_000_000 + number}Ki", **sizes},
        "capacity": {"cpu": "96", "memory": f"{1_056_000_000 + number}Ki", **sizes},
        "conditions": [_condition(one) for one in _CONDITIONS],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": [_image(one) for one in range(_IMAGES)],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": uid("boot", number),
            "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.8.0-49-generic",
            "kubeletVersion": "v1.36.0",
            "machineID": uid("machine", number),
            "operatingSystem": "linux",
            "osImage": "Ubuntu 24.04.3 LTS",
            "systemUUID": uid("system", number),
        },
    }


_CONDITIONS: Final = (
    ("NetworkUnavailable", "False", "CiliumIsUp", "Cilium is running on this node"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def _condition(facts: tuple[str, str, str, str]) -> Body:
    kind, status, reason, message = facts
    times = {"lastHeartbeatTime": TIME, "lastTransitionTime": TIME}
    return {**times, "message": message, "reason": reason, "status": status, "type": kind}


def _image(number: int) -> Body:
    name = f"registry.example.com/serving/server-{number}"
    digest = f"{random.Random(number).getrandbits(256):064x}"
    names = [f"{name}@sha256:{digest}", f"{name}:v1.{number}.0"]
    return {"names": names, "sizeBytes": 100_000_000 + number}


def agent(number: int, nodes: int) -> Body:
    """Return a pod of an agent that runs on each of so many nodes."""
    on = node_name(number % nodes)
    namespace, name, cpu, memory = _AGENTS[number // nodes % len(_AGENTS)]
    container = {
        "env": [env("NODE_NAME", number), env("POD_NAMESPACE", number)],
        "image": f"registry.example.com/{namespace}/{name}:v1.2.3",
        "imagePullPolicy": "IfNotPresent",
        "name": name,
        "resources": {"limits": {"memory": memory}, "requests": {"cpu": cpu, "memory": memory}},
        "terminationMessagePath": "/dev/termination-log",
        "volumeMounts": [{"mountPath": "/host", "name": "host", "readOnly": True}],
    }
    owner = {"apiVersion": "apps/v1", "controller": True, "kind": "DaemonSet", "name": name}
    ready = {"lastProbeTime": None, "lastTransitionTime": TIME, "status": "True"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "creationTimestamp": TIME,
            "generateName": f"{name}-",
            "labels": {"app": name, "controller-revision-hash": "6f7d8c9b5", "tier": "node"},
            "name": f"{name}-{number:05d}",
            "namespace": namespace,
            "ownerReferences": [{**owner, "uid": uid("DaemonSet", 0)}],
            "resourceVersion": str(2_000_000 + number),
            "uid": uid("Pod", number),
        },
        "spec": {
            "affinity": {"nodeAffinity": _on_node(on)},
            "containers": [container],
            "nodeName": on,
            "restartPolicy": "Always",
            "tolerations": [{"operator": "Exists"}, *_TOLERATIONS],
            "volumes": [{"hostPath": {"path": "/", "type": ""}, "name": "host"}],
        },
        "status": {
            "conditions": [{**ready, "type": kind} for kind in ("Initialized", "Ready")],
            "phase": "Running",
            "podIP": f"10.{number // 256 % 256}.{number % 256}.7",
            "startTime": TIME,
        },
    }


_TOLERATIONS: Final = tuple(
    {"effect": "NoExecute", "key": f"node.kubernetes.io/{name}", "operator": "Exists"}
    for name in ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure")
)


def _on_node(name: str) -> Body:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    required = {"nodeSelectorTerms": [term]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": required}
