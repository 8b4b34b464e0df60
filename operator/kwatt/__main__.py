"""The program `kwatt`, also installed as `kubectl-kwatt`: `run` is the operator, the others only look.

Commands are imported when they are called: the operator's libraries take a second to load, which an offline
`kwatt plan` need not wait for. This is the only module that imports inside functions.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from kwatt import __version__
from kwatt.cli.arguments import Parser
from kwatt.errors import KWattError
from kwatt.observation.parsing.reading import Body

UNUSABLE: Final = 2
_HELP: Final = {
    "run": "run the operator",
    "top": "show budgets and services live: watts, rate, units per joule",
    "explain": "say in words why one service is where it is",
    "plan": "plan without writing anything: offline from manifests, or on the live cluster",
    "profile": "suggest corrected ModelProfiles from what was measured",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named first in `argv` and return its exit status."""
    command, rest = _command(sys.argv[1:] if argv is None else argv)
    try:
        return _COMMANDS[command](rest)
    except KWattError as error:
        sys.stderr.write(f"kwatt {command}: error: {' '.join(str(error).split())}\n")
        return UNUSABLE
    except BrokenPipeError:  # the reader has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _command(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Split off the command; everything behind it is its own to parse."""
    parser = Parser(
        prog="kwatt",
        description="Place inference services on NPUs within watt and throughput budgets.",
        epilog="; ".join(f"{name}: {text}" for name, text in _HELP.items()),
    )
    parser.add_argument("--version", action="version", version=f"kwatt {__version__}")
    parser.add_argument("command", choices=list(_HELP), metavar="|".join(_HELP))
    parsed = parser.parse_args(list(argv[:1]))
    return str(parsed.command), list(argv[1:])


def _run(argv: list[str]) -> int:
    # The first process of a container ignores a signal that nobody handles: ended while it starts, it would
    # go on for its whole grace period and even take the Lease. Later kopf handles it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    from kwatt.cli import run  # noqa: PLC0415 - see above

    return run.main(argv)


def _plan(argv: list[str]) -> int:
    with _uncollected():
        from kwatt.cli import plan  # noqa: PLC0415 - see above

        return plan.main(argv, _read_cluster)


def _top(argv: list[str]) -> int:
    from kwatt.cli import top  # noqa: PLC0415 - see above
    from kwatt.cluster import access, reading  # noqa: PLC0415 - see above

    return top.main(argv, reading.list_kinds, access.namespace_of)


def _explain(argv: list[str]) -> int:
    from kwatt.cli import explain  # noqa: PLC0415 - see above
    from kwatt.cluster import access, reading  # noqa: PLC0415 - see above

    return explain.main(argv, reading.list_kinds, access.namespace_of, _read_cluster)


def _profile(argv: list[str]) -> int:
    from kwatt.cli import profile  # noqa: PLC0415 - see above

    return profile.main(argv, _read_cluster)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Hold the garbage collector off: one plan makes millions of objects and hardly a cycle of them.

    Then the process ends, and what is left need not be searched for cycles once more.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _read_cluster(context: str | None) -> Iterable[Body]:
    from kwatt.cluster import reading  # noqa: PLC0415 - see above

    return reading.list_bodies(context)


_COMMANDS: Final[Mapping[str, Callable[[list[str]], int]]] = {
    "run": _run,
    "top": _top,
    "explain": _explain,
    "plan": _plan,
    "profile": _profile,
}

if __name__ == "__main__":
    sys.exit(main())
