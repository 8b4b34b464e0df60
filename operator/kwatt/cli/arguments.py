"""Command lines whose mistakes are told in one line."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import Any, NoReturn

from kwatt.errors import InvalidInput

_YEARS = range(1970, 9000)
_HORIZONS = range(60, 31_536_001)


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are one sentence and status 2; it takes no shortened options.

    A shortened one would mean something else as soon as a version adds an option.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Print `message` and where help is, and leave with 2."""
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def add_manifests(parser: Parser, about: str) -> None:
    """Add -f, which may be given several times and with several files; `about` says what they hold."""
    parser.add_argument(
        "-f",
        "--filename",
        action="extend",
        nargs="+",
        default=[],
        metavar="FILE",
        help=about,
    )


def parse_horizon(text: str) -> int:
    """Parse the seconds of --moves-horizon: 60 to a year, as in a PowerBudget. Raises ArgumentTypeError."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) not in _HORIZONS:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 60 to 31536000")
    return int(text)


def parse_now(text: str) -> datetime:
    """Parse an RFC 3339 time; without an offset it is UTC. Raises InvalidInput."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            "--now", f"{text!r} is not a time; write 2026-11-22T17:00:00+09:00"
        ) from error
    if time.year not in _YEARS:
        raise InvalidInput("--now", f"the year {time.year} is out of reach")
    return time if time.tzinfo else time.replace(tzinfo=UTC)
