"""The port of a template that a route goes to."""

from __future__ import annotations

from typing import Any

import pytest

from kwatt.api.ports import routed_port


def template(*containers: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


HTTP = {"ports": [{"containerPort": 8000}, {"containerPort": 9000, "protocol": "TCP"}]}
DNS = {"ports": [{"containerPort": 53, "protocol": "UDP"}]}


@pytest.mark.parametrize(
    ("asked", "port"), [(None, 8000), (9000, 9000), (8000, 8000), (53, None), (80, None)]
)
def test_it_is_the_first_tcp_port_or_the_one_that_is_named(
    asked: int | None, port: int | None
) -> None:
    assert routed_port(template({"name": "sidecar"}, DNS, HTTP), asked) == port


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"spec": None},
        {"spec": {"containers": "server"}},
        template(None, "server"),
        template({"ports": {"containerPort": 80}}),
        template({"ports": [80, {"containerPort": "80"}, {}]}),
    ],
)
def test_what_is_no_port_is_left_out(junk: dict[str, Any]) -> None:
    assert routed_port(junk, None) is None
