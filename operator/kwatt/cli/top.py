"""`kwatt top`: budgets and services as their statuses tell, live in a terminal."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from kwatt.cli.arguments import Parser
from kwatt.cli.board import Board, board_text
from kwatt.cli.leading import LeaseName, no_leader, parse_lease
from kwatt.cli.statuses import Fields
from kwatt.cli.terminal import terminal_style
from kwatt.cluster import paths
from kwatt.cluster.reading import Wanted
from kwatt.errors import ClusterError, Missing

Bodies = list[dict[str, Any]]
ListKinds = Callable[[str | None, Mapping[str, Wanted]], Mapping[str, Bodies | ClusterError]]
NamespaceOf = Callable[[str | None], str]
_ALTERNATE: Final = "\x1b[?1049h\x1b[?25l"
_BACK: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H\x1b[J"


def main(argv: Sequence[str], list_kinds: ListKinds, namespace_of: NamespaceOf) -> int:
    """Run `kwatt top` and return its exit status. Raises KWattError where nothing can be read."""
    arguments = build_parser().parse_args(argv)
    namespace = arguments.namespace or None
    if not namespace and not arguments.all_namespaces:
        namespace = namespace_of(arguments.context)

    def read() -> str:
        now = datetime.now(UTC)
        scope = Scope(arguments.context, namespace, arguments.lease)
        return board_text(read_board(list_kinds, scope, now), now, terminal_style())

    terminal = sys.stdout.isatty()
    if arguments.once or not (terminal or arguments.watch):
        _print(read())
        return 0
    with _screen() if terminal else _paper() as show:
        _refresh(read, show, arguments.interval)
    return 0


def build_parser() -> Parser:
    """Make the parser of `kwatt top`."""
    parser = Parser(
        prog="kwatt top",
        description="Show budgets and services: watts against caps, rate, units per joule, age of the "
        "measurement. Reads statuses only; the right to list the kinds of kwatt.dev is enough. With the right "
        "to get the operator's Lease it says when no operator leads.",
    )
    add = parser.add_argument
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-n", "--namespace", help="services of this namespace (default: that of the context)"
    )
    where.add_argument(
        "-A", "--all-namespaces", action="store_true", help="services of all namespaces"
    )
    add("--once", action="store_true", help="print once (default where output is no terminal)")
    add("--watch", action="store_true", help="refresh (default in a terminal); else print anew")
    add("--interval", type=_interval, default=2.0, metavar="SECONDS", help="default: 2")
    add(
        "--lease",
        type=parse_lease,
        default=LeaseName(),
        metavar="NAMESPACE/NAME",
        help=f"the operator's (default: {LeaseName()})",
    )
    add("--context", metavar="NAME", help="kubeconfig context (default: the current one)")
    return parser


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 3600:  # also not a number
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number from 1 to 3600")
    return seconds


class Scope(NamedTuple):
    """What to read: of which context, services of which namespace (None: of all), whose Lease."""

    context: str | None
    namespace: str | None
    lease: LeaseName = LeaseName()


def read_board(list_kinds: ListKinds, scope: Scope, now: datetime) -> Board:
    """Read budgets, services and who leads. Raises ClusterError without services."""
    kind, namespace = paths.INFERENCE_SERVICES, scope.namespace
    services = kind.within(namespace) if namespace else kind.everywhere()
    lease = paths.LEASES.named(scope.lease.name, scope.lease.namespace)
    found = list_kinds(
        scope.context,
        {
            "services": Wanted(services),
            "budgets": Wanted(paths.POWER_BUDGETS.everywhere()),
            "lease": Wanted(lease, single=True),
        },
    )
    budgets, notes = found["budgets"], []
    if isinstance(budgets, ClusterError):
        notes.append(f"PowerBudgets can't be listed: {budgets.message}")
        budgets = []
    return Board(
        budgets=[Fields(body) for body in budgets],
        services=[Fields(body) for body in listed(found["services"])],
        scope=f"in the namespace {namespace} (-A shows all)" if namespace else "in any namespace",
        notes=tuple(notes),
        everywhere=namespace is None,
        alarm=_alarm(found["lease"], scope.lease, now),
    )


def _alarm(found: Bodies | ClusterError, name: LeaseName, now: datetime) -> str:
    """Say that no operator leads; nothing where the Lease may not be read."""
    if isinstance(found, Missing):
        return no_leader(None, name, now)
    return "" if isinstance(found, ClusterError) else no_leader(Fields(found[0]), name, now)


def listed(found: Bodies | ClusterError) -> Bodies:
    """Return the bodies, or raise why they could not be listed."""
    if isinstance(found, ClusterError):
        raise found
    return found


def _refresh(read: Callable[[], str], show: Callable[[str], None], seconds: float) -> None:
    """Show what is read until interrupted; when the API server fails, say so and show what was last."""
    last = read()  # what fails at once is told as an error and not on the screen
    while True:
        show(last)
        time.sleep(seconds)
        try:
            last = read()
        except ClusterError as error:
            head = last.split("\n\nNot refreshed", maxsplit=1)[0].rstrip()
            last = f"{head}\n\nNot refreshed since: {' '.join(str(error).split())}\n"


@contextmanager
def _screen() -> Iterator[Callable[[str], None]]:
    """Lend the terminal's second screen; what it showed before is back afterwards."""

    def show(text: str) -> None:
        lines, height = text.splitlines(), shutil.get_terminal_size().lines
        hidden = len(lines) - height + 1
        if hidden > 0:
            lines = [
                *lines[: height - 2],
                f"{hidden + 1} more lines; enlarge the window or use --once",
            ]
        _print(_HOME + "\n".join(lines))

    _print(_ALTERNATE)
    try:
        yield show
    finally:
        _print(_BACK)


@contextmanager
def _paper() -> Iterator[Callable[[str], None]]:
    yield lambda text: _print(text + "\n")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
