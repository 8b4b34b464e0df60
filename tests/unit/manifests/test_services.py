"""The Service over all replicas: its ports, and what tells whether one that is there is KWatt's."""

from __future__ import annotations

from typing import Any

from kwatt.manifests.deployments import desired_hash
from kwatt.manifests.services import build_service, build_variant_service, read_service
from unit.manifests.inputs import ATOM, OWNER, built, template


def ports(*containers: dict[str, Any]) -> list[tuple[str, int, str]]:
    service = build_service(OWNER, template(containers=list(containers)))
    return [(p["name"], p["port"], p["protocol"]) for p in service["spec"]["ports"]]


def test_it_selects_the_replicas_on_every_class() -> None:
    selector = build_service(OWNER, template())["spec"]["selector"]

    assert selector == {"kwatt.dev/service": "traffic"}


def test_ports_of_all_containers_are_served_in_order() -> None:
    server = {"name": "server", "ports": [{"name": "http", "containerPort": 8000}]}
    other = {"name": "other", "ports": [{"containerPort": 90}]}

    assert ports(server, other) == [("port-90-tcp", 90, "TCP"), ("http", 8000, "TCP")]


def test_a_port_that_two_containers_list_is_served_once() -> None:
    one = {"name": "one", "ports": [{"name": "http", "containerPort": 80}]}
    two = {"name": "two", "ports": [{"name": "web", "containerPort": 80}]}

    assert ports(one, two) == [("http", 80, "TCP")]


def test_a_number_with_two_protocols_is_two_ports() -> None:
    both = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]

    assert ports({"name": "dns", "ports": both}) == [
        ("port-53-tcp", 53, "TCP"),
        ("port-53-udp", 53, "UDP"),
    ]


def test_without_ports_it_is_headless() -> None:
    spec = build_service(OWNER, template())["spec"]

    assert spec["clusterIP"] == "None"
    assert "ports" not in spec


def test_the_hash_changes_with_a_port() -> None:
    opened = template(containers=[{"name": "server", "ports": [{"containerPort": 80}]}])

    assert desired_hash(build_service(OWNER, opened)) != desired_hash(
        build_service(OWNER, template())
    )


def test_the_hash_does_not_change_with_the_image() -> None:
    newer = template(containers=[{"name": "server", "image": "yolo:2"}])

    assert build_service(OWNER, newer) == build_service(OWNER, template())


def test_what_was_built_is_read_as_owned_and_current() -> None:
    manifest = build_service(OWNER, template())
    manifest["metadata"] |= {"uid": "s1"}

    read = read_service(manifest)

    assert (read.uid, read.owner_uid, read.desired) == ("s1", OWNER.uid, desired_hash(manifest))


def test_the_service_of_a_variant_selects_what_its_deployment_makes() -> None:
    service = build_variant_service(OWNER, ATOM, template())
    pods = built()["spec"]["template"]["metadata"]["labels"]

    assert service["spec"]["selector"].items() <= pods.items()
    assert service["metadata"]["name"] == built()["metadata"]["name"]


def test_the_service_of_a_variant_is_told_from_the_one_over_all() -> None:
    one, over_all = build_variant_service(OWNER, ATOM, template()), build_service(OWNER, template())
    for manifest in (one, over_all):
        manifest["metadata"]["uid"] = "s1"

    assert read_service(one).variant == one["metadata"]["name"]
    assert read_service(over_all).variant == ""


def test_a_service_of_somebody_else_has_no_owner() -> None:
    metadata = {"namespace": "city", "name": "traffic", "uid": "s1"}
    metadata |= {"ownerReferences": [{"uid": "x", "kind": "Other"}]}

    read = read_service({"metadata": metadata})

    assert (read.owner_uid, read.desired) == ("", "")
