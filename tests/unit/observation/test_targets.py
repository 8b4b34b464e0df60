"""Who is asked: exporters only where the API server puts them, counters only of a service's own pods."""

from __future__ import annotations

from typing import Any

import pytest

from kwatt.model.keys import PodKey
from kwatt.model.targets import CounterFormat, MeterQuery, Targets, Unreadable
from kwatt.observation.targets import resolve_targets
from unit.observation.bodies import (
    ATOM,
    Body,
    deployment,
    node,
    npu_class,
    own_pod,
    pod,
    profile,
    service,
)
from unit.observation.worlds import world

EXPORTER = {"app.kubernetes.io/name": "rbln-metrics-exporter"}


def atom_class(**telemetry: Any) -> Body:
    body = npu_class()
    body["spec"]["telemetry"] = {"exporter": "Rebellions", **telemetry}
    return body


def reached(body: Body, address: str, *, ready: bool = True) -> Body:
    body["status"] |= {
        "podIP": address,
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    return body


def exporter(
    name: str = "exporter-x", node_name: str = "n1", namespace: str = "rbln-system", **more: Any
) -> Body:
    body = reached(pod(name, node_name, namespace), "10.0.0.1", **more)
    body["metadata"]["labels"] = {**EXPORTER, "controller-revision-hash": name}
    return body


def counting_service(**counters: Any) -> Body:
    body = service()
    body["spec"]["counters"] = {"runtime": "Triton", **counters}
    return body


def urls(targets: Targets) -> list[tuple[str, str]]:
    return [(one.node, one.url) for one in targets.exporters]


def test_nothing_is_read_where_nothing_is_configured() -> None:
    assert resolve_targets(world(node(), npu_class(), service(), exporter())) == Targets()


def test_the_vendors_exporter_on_a_node_of_the_class_is_found() -> None:
    holder = pod("job", **{ATOM: "1"})
    found = resolve_targets(world(node(), atom_class(), exporter(), holder, pod("web")))

    assert urls(found) == [("n1", "http://10.0.0.1:9090/metrics")]
    assert found.exporters[0].pods == {PodKey("city", "job")}
    assert found.exporters[0].interval_ms == 15_000


@pytest.mark.parametrize(
    "impostor",
    [
        exporter(namespace="city"),
        exporter(node_name="n2"),
        exporter(ready=False),
        {**exporter(), "status": {"phase": "Running"}},
        pod("exporter-x", "n1", "rbln-system"),
    ],
    ids=["a tenant's namespace", "no node of the class", "not ready", "no address", "no label"],
)
def test_no_other_pod_may_say_what_a_card_draws(impostor: Body) -> None:
    found = resolve_targets(world(node(), atom_class(), impostor))

    assert found == Targets()


def test_the_namespace_of_one_class_is_not_that_of_another() -> None:
    other = atom_class(namespace="city")
    other["metadata"] = {"name": "other", "uid": "other"}
    other["spec"]["nodeSelector"] = {"matchLabels": {"npu": "other"}}

    assert (
        resolve_targets(world(node(), atom_class(), other, exporter(namespace="city"))) == Targets()
    )


def test_of_two_exporters_on_a_node_one_is_asked() -> None:
    found = resolve_targets(world(node(), atom_class(), exporter("b"), exporter("a")))

    assert len(found.exporters) == 1


def test_a_node_of_two_classes_is_read_for_neither() -> None:
    other = atom_class()
    other["metadata"] = {"name": "other", "uid": "other"}

    assert resolve_targets(world(node(), atom_class(), other, exporter())) == Targets()


def test_static_addresses_need_no_pod() -> None:
    static = [{"node": "outside", "address": "10.1.1.1"}, {"node": "n1", "address": "10.1.1.2:9"}]
    found = resolve_targets(world(node(), atom_class(static=static, scheme="https", path="/m")))

    assert urls(found) == [("n1", "https://10.1.1.2:9/m"), ("outside", "https://10.1.1.1:9090/m")]


def test_a_prometheus_server_is_told_nodes_by_name_hostname_and_exporter() -> None:
    body = node(labels={"kubernetes.io/hostname": "host-1"})
    asked = atom_class(prometheus={"url": "http://prometheus:9090"})
    found = resolve_targets(world(body, asked, exporter(), pod("job", **{ATOM: "1"})))

    (query,) = found.queries
    assert found.exporters == ()
    assert dict(query.nodes) == {"n1": "n1", "host-1": "n1", "10.0.0.1": "n1"}
    assert query.pods == {"n1": {PodKey("city", "job")}}


def test_a_stand_in_serves_nodes_and_pods_by_name() -> None:
    bodies = (node(), atom_class(), counting_service(), profile(), deployment(), own_pod("p0"))
    ready = reached(bodies[-1], "")
    found = resolve_targets(world(*bodies[:-1], ready), via="http://127.0.0.1:9/fake/")

    assert urls(found) == [("n1", "http://127.0.0.1:9/fake/nodes/n1/metrics")]
    assert [one.url for one in found.runtimes] == ["http://127.0.0.1:9/fake/pods/city/p0/metrics"]


def test_only_ready_pods_that_are_the_services_own_are_asked_what_it_serves() -> None:
    thief = reached(own_pod("thief"), "10.0.0.9")
    thief["metadata"]["ownerReferences"] = []
    bodies = (
        reached(own_pod("p0"), "10.0.0.7"),
        reached(own_pod("p1"), "10.0.0.8", ready=False),
        thief,
    )
    found = resolve_targets(
        world(node(), npu_class(), profile(), counting_service(), deployment(), *bodies)
    )

    (target,) = found.runtimes
    assert (target.pod, target.url) == (PodKey("city", "p0"), "http://10.0.0.7:8002/metrics")
    assert isinstance(target.format, CounterFormat)
    assert target.format.unit == "images"


def test_a_port_of_the_node_is_not_asked_for_a_pod_on_the_hosts_network() -> None:
    pod = reached(own_pod("p0"), "192.168.0.1")
    pod["spec"]["hostNetwork"] = True

    found = resolve_targets(
        world(node(), npu_class(), profile(), counting_service(port=10255), deployment(), pod)
    )

    (target,) = found.runtimes
    assert isinstance(target.format, Unreadable)
    assert "leave hostNetwork out" in target.format.message


def test_counters_in_another_unit_than_the_profiles_are_not_asked_for() -> None:
    found = resolve_targets(
        world(
            node(),
            npu_class(),
            profile(),
            counting_service(unit="tokens"),
            deployment(),
            reached(own_pod("p0"), "10.0.0.7"),
        )
    )

    assert isinstance(found.runtimes[0].format, Unreadable)


def test_meters_are_passed_on_in_order() -> None:
    meters = MeterQuery("b", "http://p", "q"), MeterQuery("a", "http://p", "q")

    assert [one.budget for one in resolve_targets(world(), meters=meters).meters] == ["a", "b"]
