"""What a pod asks of a node, by the rule of kube-scheduler."""

from __future__ import annotations

import pytest

from kwatt.errors import InvalidInput
from kwatt.observation.parsing.demands import demand_of, shape_of
from unit.observation.bodies import container

GI = 1024**3


def test_containers_add_up() -> None:
    spec = {"containers": [container(cpu="500m", memory="1Gi"), container(cpu="1", memory="2Gi")]}

    assert demand_of(spec).amounts == {"cpu": 1500, "memory": 3 * GI}


def test_a_limit_counts_where_its_request_is_missing() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "4", "rebellions.ai/ATOM": "2"}}

    demand = demand_of({"containers": [{"name": "a", "resources": resources}]})

    assert demand.amounts == {"cpu": 1000, "rebellions.ai/ATOM": 2}
    assert demand.extended == {"rebellions.ai/ATOM": 2}


def test_the_greatest_init_container_counts_where_it_is_more() -> None:
    spec = {
        "initContainers": [container(cpu="3"), container(cpu="1", memory="1Gi")],
        "containers": [container(cpu="2", memory="2Gi")],
    }

    assert demand_of(spec).amounts == {"cpu": 3000, "memory": 2 * GI}


def test_a_sidecar_adds_to_the_containers_and_to_later_init_containers() -> None:
    sidecar = {**container("sidecar", cpu="1"), "restartPolicy": "Always"}
    later = {"initContainers": [sidecar, container(cpu="5")], "containers": [container(cpu="2")]}
    earlier = {"initContainers": [container(cpu="5"), sidecar], "containers": [container(cpu="2")]}

    assert demand_of(later).of("cpu") == 6000
    assert demand_of(earlier).of("cpu") == 5000


def test_overhead_comes_on_top_and_pod_level_requests_replace_the_sum() -> None:
    spec = {
        "containers": [container(cpu="2", memory="1Gi")],
        "resources": {"requests": {"cpu": "3"}},
        "overhead": {"cpu": "250m"},
    }

    assert demand_of(spec).amounts == {"cpu": 3250, "memory": GI}


def test_the_shape_holds_selector_affinity_and_tolerations() -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    spec = {
        "containers": [container(cpu="1")],
        "nodeSelector": {"b": "2", "a": "1"},
        "affinity": {"nodeAffinity": required},
        "tolerations": [{"key": "npu", "operator": "Exists"}],
    }

    shape = shape_of(spec, "spec.")

    assert shape.node_selector == (("a", "1"), ("b", "2"))
    assert shape.affinity is not None
    assert shape.affinity[0].labels[0].values == ("a",)
    assert shape.tolerations[0].operator == "Exists"


@pytest.mark.parametrize("amount", ["-1", "abc", "NaN", True, ["1"], {}])
def test_an_amount_that_is_none_names_its_field(amount: object) -> None:
    spec = {"containers": [{"name": "a", "resources": {"requests": {"cpu": amount}}}]}

    with pytest.raises(InvalidInput, match=r"resources\.requests\.cpu"):
        demand_of(spec)
