"""Sections of docs/benchmarks.md that a program of their own writes; `make bench` leaves them as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

OFFLINE: Final = "## kwatt plan from a file"
AT_SCALE: Final = "## At scale"
SAME_PLAN: Final = "## Same plan"


def write_section(path: Path, lines: Sequence[str]) -> None:
    """Replace the section whose heading is the first line in a page, or add it at the end."""
    page = path.read_text(encoding="utf-8")
    path.write_text(with_section(page, lines), encoding="utf-8")


def with_section(page: str, lines: Sequence[str]) -> str:
    """Return a page with a section, where it is or at the end."""
    new = "\n" + "\n".join(lines).rstrip() + "\n"
    old = section_of(page, lines[0])
    return page.replace(old, new) if old else page.rstrip("\n") + "\n" + new


def section_of(page: str, head: str) -> str:
    """Return a section with the empty line before it, up to the next of its rank; "" where there is none."""
    found = re.search(rf"\n{re.escape(head)}\n.*?(?=\n## |\Z)", page, re.DOTALL)
    return found[0] if found else ""


def kept_from(page: str) -> str:
    """Return what a run on clusters must not lose: the sections that are written by themselves."""
    return "".join(section_of(page, head) for head in (OFFLINE, AT_SCALE, SAME_PLAN))
