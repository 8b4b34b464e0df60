"""Laying a variant's template over the common one."""

from __future__ import annotations

from kwatt.api.merging import merged


def test_mappings_merge_by_key_and_values_are_replaced() -> None:
    assert merged({"a": {"x": 1, "y": 1}}, {"a": {"y": 2, "z": 2}}) == {
        "a": {"x": 1, "y": 2, "z": 2}
    }


def test_lists_of_named_items_merge_by_name_and_keep_their_order() -> None:
    base = [{"name": "a", "v": 1}, {"name": "b", "v": 1}]

    assert merged(base, [{"name": "c"}, {"name": "a", "w": 2}]) == [
        {"name": "a", "v": 1, "w": 2},
        {"name": "b", "v": 1},
        {"name": "c"},
    ]


def test_other_lists_are_replaced() -> None:
    assert merged({"args": ["a", "b"]}, {"args": ["c"]}) == {"args": ["c"]}
    assert merged({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}) == {
        "tolerations": [{"key": "b"}]
    }


def test_one_volume_may_be_mounted_twice() -> None:
    base = {"volumeMounts": [{"name": "v", "mountPath": "/a"}]}
    override = {"volumeMounts": [{"name": "v", "mountPath": "/b"}]}

    assert [m["mountPath"] for m in merged(base, override)["volumeMounts"]] == ["/a", "/b"]


def test_ports_merge_by_number_and_protocol_whatever_they_are_called() -> None:
    base = {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]}
    override = {"ports": [{"containerPort": 53, "protocol": "TCP", "name": "dns"}]}

    assert merged(base, override)["ports"] == [
        {"containerPort": 53, "protocol": "UDP"},
        {"containerPort": 53, "protocol": "TCP", "name": "dns"},
    ]


def test_names_that_are_no_text_are_no_names() -> None:
    assert merged([{"name": {}}], [{"name": []}]) == [{"name": []}]


def test_nothing_is_changed_in_place() -> None:
    base, override = {"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "2"}]}

    assert merged(base, override) == override
    assert base == {"env": [{"name": "A", "value": "1"}]}
