"""`kwatt run`: put the operator together and run it until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import kopf

from kwatt import __version__
from kwatt.cli.arguments import Parser, parse_horizon
from kwatt.cli.serving import build_app, serve
from kwatt.cli.starting import check_start
from kwatt.cluster import paths
from kwatt.cluster.access import load_access
from kwatt.cluster.client import Client
from kwatt.cluster.events import Events
from kwatt.cluster.informer import Informer, OptionalInformer
from kwatt.cluster.leadership import Leadership
from kwatt.cluster.lease import Candidate
from kwatt.cluster.outbox import Flow, Outbox
from kwatt.errors import ClusterError, InvalidInput
from kwatt.handlers import build_registry
from kwatt.metrics import Metrics
from kwatt.names import SERVICE_LABEL
from kwatt.reconciler.applying import Applier
from kwatt.reconciler.cycle import Cycle, Parts
from kwatt.reconciler.loop import Loop, wall_clock
from kwatt.reconciler.pulse import Pulse
from kwatt.reconciler.reporting import Reporter
from kwatt.reconciler.shares import Shares
from kwatt.reconciler.sighting import Lookout
from kwatt.reconciler.store import OWN_KINDS, Store
from kwatt.reconciler.telemetry import Telemetry
from kwatt.reconciler.trigger import Trigger
from kwatt.reconciler.validation import Validator
from kwatt.telemetry.reader import Reader

_LOG = logging.getLogger(__name__)
_WATCHED: Final = {
    "Node": (paths.NODES, None),
    "Pod": (paths.PODS, None),
    "Deployment": (paths.DEPLOYMENTS, SERVICE_LABEL),
    "Service": (paths.SERVICES, SERVICE_LABEL),
    "PriorityClass": (paths.PRIORITY_CLASSES, None),
    "ResourceQuota": (paths.RESOURCE_QUOTAS, None),
}
_M_ARENA_MAX: Final = -8  # malloc.h of glibc
_OWN: Final = {kind.kind: kind for kind in paths.OWN}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    context: str | None
    namespace: str
    lease: str
    host: str
    port: int
    writes_per_second: float
    moves_horizon: int | None
    telemetry_via: str | None


def build_parser() -> Parser:
    """Make the parser of `kwatt run`."""
    parser = Parser(prog="kwatt run", description="Run the operator until a signal ends it.")
    parser.add_argument("--context", help="kubeconfig context (default: the current one)")
    parser.add_argument(
        "--namespace",
        default=os.environ.get("POD_NAMESPACE", "default"),
        help="namespace of the Lease (default: $POD_NAMESPACE, else default)",
    )
    parser.add_argument("--lease", default="kwatt", help="name of the Lease (default: kwatt)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address of /metrics, /healthz and /readyz"
    )
    parser.add_argument("--port", type=int, default=8080, help="their port, 0 for any free one")
    parser.add_argument(
        "--writes-per-second",
        type=float,
        default=50.0,
        help="most API writes per second, 0 for no limit (default: 50)",
    )
    parser.add_argument(
        "--moves-horizon",
        type=parse_horizon,
        metavar="SECONDS",
        help="let replicas move where the watts saved over so long pay for the restarts, on nodes "
        "whose PowerBudgets say nothing about moves (default: nothing moves there)",
    )
    parser.add_argument(
        "--telemetry-via",
        metavar="URL",
        help="read all exporters and pods at one address that stands in for them, as `fakenpu` does: "
        "/nodes/NODE/metrics and /pods/NAMESPACE/POD/metrics (default: at their own addresses)",
    )
    return parser


def parse_options(argv: list[str]) -> Options:
    """Read the options of `kwatt run`."""
    args = build_parser().parse_args(argv)
    return Options(
        context=args.context,
        namespace=args.namespace,
        lease=args.lease,
        host=args.host,
        port=args.port,
        writes_per_second=args.writes_per_second,
        moves_horizon=args.moves_horizon,
        telemetry_via=args.telemetry_via,
    )


def main(argv: list[str]) -> int:
    """Run the operator; return the exit status."""
    options = parse_options(argv)
    _share_one_heap()
    kopf.configure(log_format=kopf.LogFormat.FULL)
    for noisy in ("kopf.objects", "kopf.activities", "kopf._core", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("kwatt").setLevel(logging.INFO)
    try:
        asyncio.run(_run(options))
    except (InvalidInput, ClusterError) as error:
        _LOG.error("cannot start: %s", error)
        return 1
    return 0


def _share_one_heap() -> None:
    """Let all threads allocate from one heap: of one for each, glibc gives hardly any back (mallopt(3))."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


async def _run(options: Options) -> None:
    access = await load_access(options.context)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        await check_start(access, options.namespace, options.lease)
        free = await stack.enter_async_context(Client(access, on_request=metrics.request))
        leadership = Leadership(
            lambda: load_access(options.context),
            Candidate(options.namespace, options.lease),
            on_request=metrics.request,
        )
        pulse = Pulse(time.monotonic)

        def gate() -> None:
            leadership.require()
            pulse.beat()  # a cycle may take minutes that has ten thousand writes to send

        gated = await stack.enter_async_context(
            Client(access, gate=gate, on_request=metrics.request)
        )
        trigger = Trigger()
        reader = await stack.enter_async_context(Reader())
        telemetry = Telemetry(reader, trigger, metrics, wall_clock)
        store = Store(trigger, gone=telemetry.forget)
        informers = _informers(free, store)
        cycle = _cycle(options, gated, store, informers, metrics, telemetry)
        loop = Loop(cycle, trigger, leadership, informers, metrics, pulse)
        app = build_app(metrics.registry, loop.alive, loop.ready)
        registry = build_registry(
            {kind: informers[kind].offer for kind in OWN_KINDS}, lambda: access
        )
        _LOG.info("starting version=%s server=%s", __version__, access.host)
        tasks = await kopf.spawn_tasks(registry=registry, clusterwide=True, standalone=True)
        jobs: list[Coroutine[Any, Any, Any]] = [
            *(informer.run() for informer in informers.values()),
            serve(app, options.host, options.port),
            _lead(leadership, loop, telemetry),
        ]
        await kopf.run_tasks([*tasks, *(asyncio.create_task(job) for job in jobs)])


async def _lead(leadership: Leadership, loop: Loop, telemetry: Telemetry) -> None:
    """Run the loop beside the lease, and give the lease back only after the last write was answered."""
    holding, planning = asyncio.create_task(leadership.run()), asyncio.create_task(loop.run())
    measuring = asyncio.create_task(telemetry.run())
    tasks = {measuring, holding, planning}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # neither ends but by a failure, which ends the process
    finally:
        await loop.close()
        for task in (measuring, planning, holding):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _informers(client: Client, store: Store) -> dict[str, Informer]:
    """Make an informer per kind; kopf watches KWatt's own kinds, so those are only listed."""
    own = {
        name: Informer(client, kind.everywhere(), store.feed(name), watch=False)
        for name, kind in _OWN.items()
    }
    watched = {
        name: Informer(client, kind.everywhere(), store.feed(name), selector=selector)
        for name, (kind, selector) in _WATCHED.items()
    }
    routes = OptionalInformer(
        client,
        paths.HTTP_ROUTES.everywhere(),
        store.feed("HTTPRoute"),
        served=store.note_routes,
        selector=SERVICE_LABEL,
    )
    return own | watched | {"HTTPRoute": routes}


def _cycle(
    options: Options,
    client: Client,
    store: Store,
    informers: dict[str, Informer],
    metrics: Metrics,
    telemetry: Telemetry,
) -> Cycle:
    per_second = options.writes_per_second
    outbox = Outbox(client, Flow(per_second=per_second or None, burst=2 * per_second or 100.0))
    shares = Shares(time.monotonic, lambda: informers["Pod"].version)

    def learn(kind: str, body: dict[str, Any]) -> None:
        informers[kind].offer("MODIFIED", body)

    return Cycle(
        Parts(
            store=store,
            validator=Validator(client, time.monotonic),
            applier=Applier(outbox, shares, metrics, learn),
            shares=shares,
            reporter=Reporter(store, outbox, Events(client), metrics, time.monotonic),
            metrics=metrics,
            list_pods=informers["Pod"].catch_up,
            wall=wall_clock,
            telemetry=telemetry,
            lookout=Lookout(store, options.telemetry_via),
            moves_horizon=options.moves_horizon,
        )
    )
