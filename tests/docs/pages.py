"""The pages of the documentation: their headings, links and blocks of commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
DOCS = REPO / "docs"
_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: what it is, and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(m[2], m[3]) for m in _FENCE.finditer(page.read_text(encoding="utf-8"))]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Return the targets of all links and pictures that are not addresses."""
    found = _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page)))
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]


def headings(page: Path) -> list[str]:
    """Return the headings of a page, in order, without their marks."""
    return [title.replace("`", "") for title in _HEADING.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: lower case, no punctuation, hyphens for spaces, numbered if repeated."""
    found: set[str] = set()
    for title in headings(page):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text.lower()).strip())
        number, anchor = 0, slug
        while anchor in found:
            number += 1
            anchor = f"{slug}-{number}"
        found.add(anchor)
    return found
