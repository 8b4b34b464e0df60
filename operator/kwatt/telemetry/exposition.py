"""The wanted series of a Prometheus text exposition, found in bytes as they come. Parses nothing else.

Only whole lines count: what a broken connection cut off is no figure. Formats: Prometheus text 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/) and OpenMetrics 1.0, which differ for wanted
series in the unit of timestamps and in exemplars only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from kwatt.model.telemetry import Refusal
from kwatt.telemetry.refusals import Unusable

LONGEST_LINE: Final = 64 * 1024
MOST_SERIES: Final = 4096
_HEAD: Final = 16 * 1024
_SEEN: Final = 8

# the label block in possessive steps, so that no text makes it backtrack
_BLOCK = rb'\{([^"}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"}]*+)*+)\}'
_REST = re.compile(
    rb"(?:" + _BLOCK + rb")?[ \t]*+([^ \t{}#]++)(?:[ \t]++([-+0-9.eE]++))?[ \t]*+(?:#.*+)?"
)
_LABEL = re.compile(
    rb'[ \t]*+([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t]*+(,|$)'
)
_NAME = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*+)[{ \t]", re.MULTILINE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}


class Series(NamedTuple):
    """One sample as served: the label block, value and timestamp are text that nobody has judged yet."""

    name: str
    labels: bytes
    value: bytes
    timestamp: bytes | None


class Scanner:
    """Takes a body piece by piece and keeps the series of the wanted names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.series: list[Series] = []
        self.malformed = 0
        self._wanted = [(name, b"\n" + name.encode()) for name in names]
        self._pending = [
            b"\n"
        ]  # joined when a line ends, so that small pieces of a long one cost nothing
        self._held = 1
        self._head = b""
        self._skipping = False

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises Unusable when there are too many wanted series."""
        self._pending.append(piece)
        self._held += len(piece)
        if b"\n" in piece:
            text = b"".join(self._pending)
            end = text.rfind(b"\n")
            self._scan(text[: end + 1])
            self._keep(text[end:])
        elif self._held > LONGEST_LINE:
            self._skipping = True
            self._keep(b"\n")

    def _keep(self, rest: bytes) -> None:
        self._pending, self._held = [rest], len(rest)

    def finish(self) -> None:
        """End the body. Raises Unusable when it is empty or nothing like an exposition."""
        rest = b"".join(self._pending)
        self.malformed += self._is_wanted(rest)
        self._head = self._head or rest[1:_HEAD]
        if not self._head.strip():
            raise Unusable(Refusal.EMPTY, "the body is empty")
        if not self.series and not self.malformed and not self.seen():
            raise Unusable(
                Refusal.NOT_EXPOSITION,
                f"the body is no Prometheus exposition; it begins with {_shown(self._head)!r}",
            )

    def seen(self) -> tuple[str, ...]:
        """Return names of series near the beginning of the body, at most eight."""
        names = dict.fromkeys(match[1].decode() for match in _NAME.finditer(self._head))
        return tuple(names)[:_SEEN]

    def _scan(self, block: bytes) -> None:
        """Find wanted series in whole lines; the block begins and ends with a line feed."""
        if self._skipping:  # the first line is the end of one that was too long
            block, self._skipping = block[block.index(b"\n", 1) :], False
        if not self._head:
            self._head = block[1:_HEAD]
        for name, mark in self._wanted:
            at = block.find(mark)
            while at >= 0:
                begin = at + len(mark)
                end = block.find(b"\n", begin)
                if end < 0:
                    break
                if block[begin : begin + 1] in (b"{", b" ", b"\t"):
                    self._take(name, block[begin:end])
                at = block.find(mark, end)

    def _take(self, name: str, rest: bytes) -> None:
        match = _REST.fullmatch(rest)
        if match is None:
            self.malformed += 1
            return
        if len(self.series) >= MOST_SERIES:
            raise Unusable(
                Refusal.TOO_MANY_SERIES, f"there are more than {MOST_SERIES} series of {name}"
            )
        self.series.append(Series(name, match[1] or b"", match[2], match[3]))

    def _is_wanted(self, line: bytes) -> bool:
        return any(line.startswith(mark) for _, mark in self._wanted)


def parse_labels(block: bytes) -> dict[str, str] | None:
    """Parse what is between the braces; None where it is malformed, repeats a name or is no UTF-8."""
    labels: dict[str, str] = {}
    at = 0
    while block[at:].strip(b" \t"):
        match = _LABEL.match(block, at)
        if match is None:
            return None
        name, value = match[1].decode(), _unescaped(match[2])
        if value is None or name in labels:
            return None
        labels[name] = value
        at = match.end()
    return labels


def _unescaped(raw: bytes) -> str | None:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return _ESCAPE.sub(lambda m: _ESCAPES.get(m[1], m[0]), text) if "\\" in text else text


def _shown(head: bytes) -> str:
    return head[:40].decode(errors="replace").strip()
