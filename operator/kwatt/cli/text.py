"""Text for a terminal: columns that fit its width, bars, figures, colours. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

_ESCAPE = re.compile("\x1b\\[[0-9;]*m")
_GAP = "  "
_ELLIPSIS = ("…", "~")
_READABLE, _SHORTEST = 18, 9  # words are cut to the first before columns go, to the second after
_NAME = 30  # the same of names of which the end is kept: they tell rows apart


class Colour(Enum):
    """Colours by what they tell, as escape codes."""

    HEADING = "1"
    GOOD = "32"
    WARNING = "33"
    BAD = "31"
    FAINT = "2"


@dataclass(frozen=True, slots=True)
class Style:
    """What the terminal can show: its width, unicode blocks or plain ASCII, colours or none."""

    width: int = 100
    unicode: bool = True
    colour: bool = False

    def paint(self, text: str, colour: Colour | None) -> str:
        """Colour `text` where colours are shown."""
        return f"\x1b[{colour.value}m{text}\x1b[0m" if self.colour and colour and text else text

    def sign(self, nice: str, plain: str) -> str:
        """Choose between a unicode sign and its ASCII stand-in."""
        return nice if self.unicode else plain


@dataclass(frozen=True, slots=True)
class Column:
    """A column: figures stand to the right, `keep_end` cuts words at their beginning.

    Of those with a `rank` the highest is the first to be left out for want of width.
    """

    title: str
    right: bool = False
    rank: int = 0
    keep_end: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: how much, and its block in unicode and in ASCII."""

    amount: int
    block: str
    plain: str


def seen_width(text: str) -> int:
    """Return how many columns `text` takes, colours left out; a Korean syllable takes two."""
    bare = _ESCAPE.sub("", text)
    return len(bare) if bare.isascii() else sum(map(_cells, bare))


def _cells(character: str) -> int:
    """Return the columns of one character, by Unicode's East Asian Width (UAX 11)."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def columns(heads: Sequence[Column], rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    """Lay out a table within the width: columns of least use are left out, then words are cut."""
    lines = [[head.title for head in heads], *rows]
    widths = [max(seen_width(line[i]) for line in lines) for i in range(len(heads))]
    keep = _worth_keeping(heads, widths, style.width)
    words = [i for i in keep if not heads[i].right]
    while _total(widths, keep) > style.width and max(widths[i] for i in words) > _SHORTEST:
        widths[max(words, key=lambda i: widths[i])] -= 1
    titles = [style.paint(head.title, Colour.HEADING) for head in heads]
    return [_line(heads, row, widths, keep, style) for row in (titles, *rows)]


def _worth_keeping(heads: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Leave out columns by rank until the rest fits with its words cut to a length that still reads."""
    keep = list(range(len(heads)))
    least = [_least(head, one) for head, one in zip(heads, widths, strict=True)]
    while _total(least, keep) > width and any(heads[i].rank for i in keep):
        keep.remove(max(keep, key=lambda i: heads[i].rank))
    return keep


def _least(head: Column, width: int) -> int:
    return width if head.right else min(width, _NAME if head.keep_end else _READABLE)


def _total(widths: Sequence[int], keep: Sequence[int]) -> int:
    return sum(widths[i] for i in keep) + len(_GAP) * (len(keep) - 1)


def _line(
    heads: Sequence[Column],
    row: Sequence[str],
    widths: Sequence[int],
    keep: Sequence[int],
    style: Style,
) -> str:
    cells = [_cell(_cut(row[i], widths[i], heads[i], style), widths[i], heads[i]) for i in keep]
    return _GAP.join(cells).rstrip()


def _cell(text: str, width: int, head: Column) -> str:
    padding = " " * (width - seen_width(text))
    return padding + text if head.right else text + padding


def _cut(text: str, width: int, head: Column, style: Style) -> str:
    if seen_width(text) <= width:
        return text
    bare, ellipsis = _ESCAPE.sub("", text), style.sign(*_ELLIPSIS)
    if head.keep_end:
        return ellipsis + _beginning(bare[::-1], width - 1)[::-1]
    return _beginning(bare, width - 1) + ellipsis


def _beginning(text: str, width: int) -> str:
    """Return as much of `text` as fits."""
    while seen_width(text) > width:
        text = text[:-1]
    return text


def bar(segments: Sequence[Segment], whole: int, width: int, style: Style) -> str:
    """Draw segments against `whole`; each ends where the sum so far ends, so nothing adds up wrongly."""
    drawn, total = "", 0
    scale = max(whole, sum(segment.amount for segment in segments), 1)
    for segment in segments:
        total += max(0, segment.amount)
        end = (2 * total * width + scale) // (2 * scale)
        drawn += style.sign(segment.block, segment.plain) * (end - len(drawn))
    return drawn + style.sign("·", ".") * (width - len(drawn))


def figure(amount: int, scale: int) -> str:
    """Write amount/scale for reading: about four digits that count, thousands apart."""
    value = amount / scale
    size = abs(value)
    decimals = 0 if size >= 10_000 else 1 if size >= 100 else 2 if size >= 10 else 3
    if 0 < size < 1:
        return f"{value:.3g}"
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def wrapped(text: str, indent: str, style: Style) -> list[str]:
    """Break a sentence into lines within the width; those after the first stand two further in."""
    width = max(style.width, len(indent) + 20)
    return list(_lines(text.split(), indent, width))


def _lines(words: Sequence[str], indent: str, width: int) -> Iterator[str]:
    line, empty = indent, True
    for word in words:
        longer = line + word if empty else f"{line} {word}"
        if empty or seen_width(longer) <= width:
            line, empty = longer, False
            continue
        yield line
        line = f"{indent}  {word}"
    if not empty:
        yield line
