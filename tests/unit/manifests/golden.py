"""Golden YAML: what is rendered now against what was; write it anew with KWATT_UPDATE_GOLDEN=1.

A golden file is one document (`expect`), or a pair: a document written by hand, then the one made from it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).parents[2] / "golden"
_BREAK = "\n---\n"


def expect(path: str, value: Any) -> None:
    """Fail with a diff unless `value` is what the golden file says; a missing file fails too."""
    _compare(GOLDEN / path, _read(GOLDEN / path), _text(value))


def expect_pair(path: str, build: Callable[[dict[str, Any]], Any]) -> None:
    """Build from the first document of the file and fail with a diff unless that gives the second."""
    given, _, golden = _read(GOLDEN / path).partition(_BREAK)
    rendered = _text(build(yaml.safe_load(given)))
    _compare(GOLDEN / path, golden, rendered, keep=given.rstrip("\n") + _BREAK)


def _compare(path: Path, golden: str, rendered: str, keep: str = "") -> None:
    if os.environ.get("KWATT_UPDATE_GOLDEN") == "1":
        path.write_text(keep + rendered, encoding="utf-8")
        return
    lines = difflib.unified_diff(
        golden.splitlines(), rendered.splitlines(), str(path), "rendered now", lineterm=""
    )
    difference = "\n".join(lines)
    assert not difference, f"{difference}\nif this is meant: KWATT_UPDATE_GOLDEN=1"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _text(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
