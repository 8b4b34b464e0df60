"""`kwatt plan`: plan without writing anything, from manifests or from the live cluster."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import yaml

from kwatt.cli.arguments import Parser, add_manifests, parse_horizon, parse_now
from kwatt.cli.document import document
from kwatt.cli.edits import about_copies, apply_edits, kinds_of
from kwatt.cli.manifests import Key, by_key, key_of, read_each
from kwatt.cli.orphans import about_orphans
from kwatt.cli.report import Report
from kwatt.cli.table import table
from kwatt.cli.terminal import terminal_style
from kwatt.errors import InvalidInput
from kwatt.observation.observe import observe
from kwatt.observation.parsing.reading import Body
from kwatt.observation.parsing.table import API_VERSIONS, parse
from kwatt.observation.values import Invalid, Parsed
from kwatt.observation.world import World
from kwatt.planning.plan import proven_plan

Entry = Parsed | Invalid
ReadCluster = Callable[[str | None], Iterable[Body]]
ALL_PLACED: Final = 0
NOT_ALL_PLACED: Final = 3
_DESCRIPTION = (
    "Plan without writing anything: from manifests (-f) or, without them, from the live cluster."
)
_EPILOG = """\
what-if, any number of times:
  --set budget/rack-a1=6kW                 the cap that holds, whatever its windows say
  --set service/city/traffic.perSecond=1500     also .watts .p99Milliseconds .replicas.min .replicas.max
  --set class/rebellions-atom.idle=20W          also .max .memory
  --set nodes/rebellions-atom=+2           copies of the largest node of that class, under the same budgets;
                                           +2@n1 copies the node n1

exit status: 0 all placed, 3 something not placed or an InferenceService invalid, 2 unusable input
"""
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def main(argv: Sequence[str], read_cluster: ReadCluster) -> int:
    """Run `kwatt plan` and return its exit status. Raises KWattError for unusable input."""
    arguments = build_parser().parse_args(argv)
    now = parse_now(arguments.now) if arguments.now else datetime.now(UTC).replace(microsecond=0)
    entries = read_entries(arguments, read_cluster)
    report = report_of(entries, now, arguments.moves_horizon)
    sys.stdout.write(_RENDERERS[arguments.output](report))
    if report.plan.unproven:
        sys.stderr.write(f"kwatt plan: no bound was proven: {report.plan.unproven}\n")
    if arguments.filename and (warning := about_orphans(entries)):
        sys.stderr.write(f"kwatt plan: warning: {warning}\n")
    sys.stdout.flush()  # so that a reader who went away is noticed here and not at exit
    return exit_status(report)


def report_of(entries: Iterable[Entry], now: datetime, moves_horizon: int | None = None) -> Report:
    """Observe and plan parsed objects as of `now`; `moves_horizon` is as in `observe`."""
    observation = observe(World.of(entries), now, moves_horizon)
    snapshot = observation.snapshot
    return Report(snapshot, proven_plan(snapshot), observation.invalid, observation.notices)


def exit_status(report: Report) -> int:
    """Return 0 if every service is placed in full, else 3; an invalid service is not placed."""
    invalid = any(one.kind == "InferenceService" for one in report.invalid)
    return NOT_ALL_PLACED if report.plan.unplaced or invalid else ALL_PLACED


def read_entries(arguments: argparse.Namespace, read_cluster: ReadCluster) -> list[Entry]:
    """Parse all objects, one after the other; the bodies of those that may be edited are kept till then."""
    sources: list[str] = arguments.filename
    make = partial(_made, kinds_of(arguments.set))
    if sources:
        found = by_key(read_each(sources, sys.stdin, make))
    else:
        found = by_key(map(make, read_cluster(arguments.context)))
    if sources and not found:
        kinds = ", ".join(API_VERSIONS)
        raise InvalidInput(", ".join(sources), f"holds no manifest of any of {kinds}")
    bodies = {key: one for key, one in found.items() if isinstance(one, Mapping)}
    edited = apply_edits(bodies, arguments.set)
    for told in about_copies(bodies, edited):
        sys.stderr.write(f"kwatt plan: {told}\n")
    rest = [one for one in found.values() if not isinstance(one, Mapping)]
    return [*rest, *(parse(kind, body) for (kind, _, _), body in edited.items())]


def _made(kept: frozenset[str], body: Body) -> tuple[Key, Entry | Body] | None:
    key = key_of(body)
    if key is None:
        return None
    return key, body if key[0] in kept else parse(key[0], body)


def build_parser() -> Parser:
    """Make the parser of `kwatt plan`."""
    parser = Parser(
        prog="kwatt plan",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_manifests(
        parser,
        "manifests in YAML or JSON: files, folders with all below them, - for standard input",
    )
    add("--now", metavar="TIME", help="plan as of this RFC 3339 time (default: now)")
    add("-o", "--output", choices=sorted(_RENDERERS), default="table", help="default: table")
    add("--set", action="append", default=[], metavar="TARGET=VALUE", help="what if; see below")
    add(
        "--moves-horizon",
        type=parse_horizon,
        metavar="SECONDS",
        help="as that of kwatt run: plan moves that pay over so long",
    )
    add("--context", metavar="NAME", help="kubeconfig context of the live cluster")
    return parser


def as_json(report: Report) -> str:
    """Render `report` for programs."""
    rendered = document(report.plan, report.invalid, report.snapshot.now)
    return json.dumps(rendered, ensure_ascii=False, indent=2) + "\n"


def _as_yaml(report: Report) -> str:
    rendered = document(report.plan, report.invalid, report.snapshot.now)
    text: str = yaml.dump(rendered, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _as_table(report: Report) -> str:
    return table(report, terminal_style())


_RENDERERS: Final[dict[str, Callable[[Report], str]]] = {
    "table": _as_table,
    "json": as_json,
    "yaml": _as_yaml,
}
