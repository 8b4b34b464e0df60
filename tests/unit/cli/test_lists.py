"""Law: a List read item by item gives what reading it as a whole gives, however it comes in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwatt.cli.lists import pieces_of, read_list
from kwatt.cli.manifests import read_documents
from kwatt.observation.parsing.reading import Body

KEYS = st.sampled_from(["kind", "apiVersion", "items", "metadata", "spec"])
LEAVES = st.sampled_from([None, True, 1, -2.5, "", "Node", "List", "NodeList", 'a"[{\\ü', [], {}])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
LISTS = st.builds(
    lambda items, rest: {"items": items, **rest},
    st.lists(st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=4),
    st.permutations([("kind", "NodeList"), ("apiVersion", "v1"), ("metadata", {"items": []})]).map(
        dict
    ),
)
NODES = '{"kind": "List", "items": [{"kind": "Node", "a": 1}, {"kind": "Node"}], "metadata": {}}'


def as_it_is(body: Body) -> Body:
    return body


def slowly(text: str, most: int) -> Callable[[int], str]:
    read = pieces_of(text)
    return lambda size: read(min(size, most))


@given(LISTS | VALUES, st.sampled_from([None, 1]), st.integers(1, 40))
def test_items_are_those_of_the_whole(document: Any, indent: int | None, most: int) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)

    found = read_list(slowly(text, most), as_it_is)

    if found is not None:
        assert found == list(read_documents(text, "x"))


@pytest.mark.parametrize("indent", [None, 4])
def test_what_kubectl_prints_is_read_item_by_item(indent: int | None) -> None:
    items = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{n}"}} for n in range(9)]
    whole = {
        "apiVersion": "v1",
        "items": items,
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }

    assert read_list(slowly(json.dumps(whole, indent=indent), 7), as_it_is) == items


@pytest.mark.parametrize("end", range(1, len(NODES)))
def test_a_list_that_is_cut_off_is_none(end: int) -> None:
    assert read_list(pieces_of(NODES[:end]), as_it_is) is None


@pytest.mark.parametrize(
    "text",
    [
        NODES + "x",
        NODES.replace('"a": 1', "a: 1"),
        NODES.replace("}, {", "}, , {"),
        NODES.replace("}]", "},]"),
        NODES.replace('"metadata": {}', '"kind": "Node"'),
        NODES.replace('"kind": "List"', '"kind": "Table"'),
        "[" * 100_000,
        '{"items": [' + '{"kind": ' * 100_000,
    ],
)
def test_anything_else_is_left_to_who_can_say_what_it_is(text: str) -> None:
    assert read_list(pieces_of(text), as_it_is) is None


def test_items_of_a_node_list_are_nodes() -> None:
    text = '{"kind": "NodeList", "apiVersion": "v1", "items": [{"metadata": {"name": "n"}}]}'

    assert read_list(pieces_of(text), as_it_is) == list(read_documents(text, "x"))
