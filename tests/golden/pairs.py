"""Golden files: one YAML document that goes in and one that comes out, in one file.

`KWATT_UPDATE_GOLDEN=1 pytest` writes what comes out anew; review the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).parent
_SEPARATOR = "--- # what comes out\n"


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: an alias is hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def names_in(folder: str) -> list[str]:
    """Return the names of the golden files of a folder."""
    return sorted(path.stem for path in (GOLDEN / folder).glob("*.yaml"))


def what_goes_in(folder: str, name: str) -> Any:
    """Read the first document of a golden file."""
    return yaml.safe_load(_text(folder, name).partition(_SEPARATOR)[0])


def assert_comes_out(folder: str, name: str, result: Any) -> None:
    """Compare a result with the second document, or write it where the environment says so."""
    given, _, expected = _text(folder, name).partition(_SEPARATOR)
    if os.environ.get("KWATT_UPDATE_GOLDEN") == "1":
        expected = yaml.dump(result, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
        (GOLDEN / folder / f"{name}.yaml").write_text(given + _SEPARATOR + expected, "utf-8")
    assert result == yaml.safe_load(expected)


def _text(folder: str, name: str) -> str:
    return (GOLDEN / folder / f"{name}.yaml").read_text(encoding="utf-8")
