"""Manifests are read as kubectl reads them, from files, folders, Lists and standard input."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from kwatt.cli.manifests import Objects, by_key, key_of, read_documents, read_each
from kwatt.errors import InvalidInput
from kwatt.observation.parsing.reading import Body


def collect(found: Iterable[Body]) -> Objects:
    return by_key((key, body) for body in found if (key := key_of(body)))


def read_sources(sources: list[str], stdin: TextIO) -> Iterator[Body]:
    return read_each(sources, stdin, lambda body: body)


NODE = "kind: Node\napiVersion: v1\nmetadata: {name: n1}\n"


def test_a_folder_is_read_with_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.yml").write_text(NODE)
    (tmp_path / "b.json").write_text(json.dumps({"kind": "Pod", "metadata": {"name": "p"}}))
    (tmp_path / "notes.txt").write_text("not a manifest: [")

    assert [body["kind"] for body in read_sources([str(tmp_path)], io.StringIO())] == [
        "Pod",
        "Node",
    ]


def test_a_dash_is_standard_input() -> None:
    stdin = io.StringIO(f"{NODE}---\n{NODE}")

    assert len(list(read_sources(["-"], stdin))) == 2


def test_standard_input_that_is_no_text_is_named() -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8")

    with pytest.raises(InvalidInput, match="standard input: is not UTF-8 text"):
        list(read_sources(["-"], stdin))


def test_lists_are_unfolded_and_give_their_items_a_kind() -> None:
    items = [{"metadata": {"name": "n1"}}, {"kind": "Pod", "metadata": {"name": "p"}}]
    text = json.dumps({"kind": "NodeList", "apiVersion": "v1", "items": items})

    assert [body["kind"] for body in read_documents(text, "x")] == ["Node", "Pod"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17:00", "17:00"),
        ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z"),
        ("600", 600),
        ("17.24", 17.24),
        ("1e3", "1e3"),
        ("true", True),
        ('"5"', "5"),
        ("~", None),
    ],
)
def test_plain_scalars_are_those_of_kubernetes(text: str, value: object) -> None:
    (body,) = read_documents(f"value: {text}", "x")

    assert body["value"] == value
    assert type(body["value"]) is type(value)


def test_yaml_in_braces_is_read_as_well() -> None:
    (body,) = read_documents("{kind: Node, metadata: {name: n1}}", "x")

    assert body["kind"] == "Node"


@pytest.mark.parametrize(
    "text", ["a: [", "{a: b", "\tx: 1", "a: b: c", "[" * 5000, "a: " + "9" * 5000, "? [a]\n: b"]
)
def test_what_is_no_yaml_names_the_file(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^bad\.yaml.*is not YAML"):
        list(read_documents(text, "bad.yaml"))


def test_an_error_in_yaml_names_the_line() -> None:
    with pytest.raises(InvalidInput, match=r"^bad\.yaml:3:"):
        list(read_documents("a: 1\nb: 2\nc: d: e\n", "bad.yaml"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.yaml"
    if content:
        path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"a\.yaml"):
        list(read_sources([str(path)], io.StringIO()))


def test_kinds_of_other_groups_are_left_out() -> None:
    bodies = [
        {"kind": "InferenceService", "apiVersion": "serving.kserve.io/v1beta1", "metadata": {}},
        {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}},
        {"kind": "InferenceService", "metadata": {"name": "s"}},
    ]

    assert list(collect(bodies)) == [("InferenceService", "default", "s")]


def test_the_later_of_two_objects_of_one_name_counts() -> None:
    first, later = ({"kind": "Node", "metadata": {"name": "n"}, "n": n} for n in (1, 2))

    assert collect([first, later])["Node", "", "n"]["n"] == 2


def test_objects_without_a_name_are_kept_apart() -> None:
    assert len(collect([{"kind": "Node"}, {"kind": "Node"}])) == 2
