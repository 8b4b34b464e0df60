"""Nodes, pods, Deployments, quotas and PriorityClasses: what is kept, and what takes no part in equality."""

from __future__ import annotations

import copy
from datetime import UTC, datetime

from kwatt.observation.parsing.deployments import parse_deployment
from kwatt.observation.parsing.nodes import parse_node
from kwatt.observation.parsing.pods import parse_pod
from kwatt.observation.parsing.policies import parse_priority_class, parse_quota
from unit.observation.bodies import (
    ATOM,
    WATTS,
    deployment,
    node,
    own_pod,
    pod,
    priority,
    quota,
)


def test_a_heartbeat_changes_nothing() -> None:
    before = node()
    after = copy.deepcopy(before)
    after["metadata"] |= {"resourceVersion": "8", "managedFields": [{"manager": "kubelet"}]}
    after["status"]["conditions"][0]["lastHeartbeatTime"] = "t1"
    after["status"]["images"] = [{"names": ["x"]}]

    assert parse_node(after) == parse_node(before)
    assert parse_node(after).resource_version == "8"


def test_a_node_that_loses_an_npu_is_another_value() -> None:
    before, after = node(), node()
    after["status"]["allocatable"] = {**after["status"]["allocatable"], ATOM: "3"}

    assert parse_node(after) != parse_node(before)


def test_a_node_is_ready_by_its_condition_and_without_one() -> None:
    unknown = node(conditions=[{"type": "Ready", "status": "Unknown"}])

    assert not parse_node(unknown).ready
    assert parse_node(node(conditions=[])).ready


def test_a_foreign_pods_readiness_changes_nothing() -> None:
    before, after = pod("p", cpu="1"), pod("p", cpu="1")
    after["metadata"]["resourceVersion"] = "9"
    after["status"]["conditions"] = [{"type": "Ready", "status": "True"}]

    assert parse_pod(after) == parse_pod(before)


def test_an_own_pod_keeps_labels_owner_and_times() -> None:
    parsed = parse_pod(
        own_pod("p", annotations={"kwatt.dev/released": "2026-11-23T02:00:05+00:00"})
    )

    assert parsed.replica_set == "traffic-atom-1a2b3-abc"
    assert "app" not in parsed.labels
    assert parsed.asked == {WATTS: 24, ATOM: 1}
    assert parsed.created == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert parsed.released == datetime(2026, 11, 23, 2, 0, 5, tzinfo=UTC)


def test_a_gated_pod_counts_gates_of_others() -> None:
    body = own_pod("p", None)
    body["spec"]["schedulingGates"] = [{"name": "kwatt.dev/placement"}, {"name": "other/gate"}]

    parsed = parse_pod(body)

    assert (parsed.gated, parsed.other_gates) == (True, 1)


def test_a_pod_is_narrowed_by_hostname_or_by_name() -> None:
    by_hostname, by_name = own_pod("p", None), own_pod("p", None)
    by_hostname["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "n1"}
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]
    required = {"nodeSelectorTerms": [{"matchFields": fields}]}
    by_name["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}
    }

    assert parse_pod(by_hostname).hostname == "n1"
    assert (parse_pod(by_name).node_name, parse_pod(by_name).affinity_terms) == ("n2", 1)


def test_a_deployment_keeps_what_is_compared() -> None:
    parsed = parse_deployment(deployment())

    assert (parsed.service, parsed.owner_uid) == ("traffic", "uid-traffic")
    assert (parsed.replicas, parsed.desired, parsed.failure) == (2, "d1", None)


def test_somebody_elses_deployment_keeps_its_name_only() -> None:
    forged = deployment(ownerReferences=[])

    assert parse_deployment(forged).service == ""


def test_a_replica_failure_is_its_message() -> None:
    body = deployment()
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: watts"}
    body["status"]["conditions"] = [{"type": "Progressing", "status": "True"}, failure]

    assert parse_deployment(body).failure == "exceeded quota: watts"


def test_quota_keys_with_and_without_requests_are_the_same() -> None:
    hard = {
        "requests.kwatt.dev/watts": "240",
        "cpu": "10",
        "requests.cpu": "8",
        "requests.memory": "1Gi",
        "count/pods": "5",
        "limits.cpu": "9",
        "services": "3",
        "requests.storage": "1Ti",
    }

    parsed = parse_quota(quota(hard))

    assert parsed.hard == {WATTS: 240, "cpu": 8000, "memory": 1024**3, "pods": 5}
    assert parsed.unread == ("limits.cpu",)


def test_a_quota_with_scopes_says_so() -> None:
    assert parse_quota(quota({"pods": "1"}, scopes=["BestEffort"])).scoped


def test_a_priority_class_is_its_value() -> None:
    parsed = parse_priority_class(priority("high", 1000, default=True))

    assert (parsed.value, parsed.is_default) == (1000, True)
