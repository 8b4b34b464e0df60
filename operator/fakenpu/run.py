"""`fakenpu run`: serve a scenario on loopback until somebody ends it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from fakenpu.clock import Clock
from fakenpu.quantities import BadInput
from fakenpu.scenario import Scenario, read_scenario, world_of
from fakenpu.serving import application, node_application
from fakenpu.watching import load_access, watch_cluster
from fakenpu.world import World

_LOOK_SECONDS: Final = 1.0


def main(argv: list[str]) -> int:
    """Serve until interrupted; return 0."""
    options = _options(argv)
    scenario = read_scenario(options.file) if options.file else Scenario()
    folder = options.file.parent if options.file else Path()
    world = world_of(scenario, folder, epoch=time.time_ns() // 1_000_000)
    scale = scenario.time_scale if options.time_scale is None else options.time_scale
    try:
        asyncio.run(_serve(options, world, scale))
    except BaseExceptionGroup as group:
        refused, others = group.split(BadInput)
        if refused is None or others is not None:
            raise
        raise refused.exceptions[0] from None
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fakenpu run", description=__doc__)
    parser.add_argument("-f", "--file", type=Path, help="scenario, YAML or JSON")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9400, help="0 takes a free one and prints it")
    parser.add_argument(
        "--node-ports", type=int, metavar="FIRST", help="also a port per node, from FIRST on"
    )
    parser.add_argument("--time-scale", type=float, help="seconds of the world per second; 0 stops")
    parser.add_argument(
        "--watch", action="store_true", help="take nodes, pods and services from the cluster"
    )
    parser.add_argument("--kubeconfig", help="of the cluster; otherwise $KUBECONFIG")
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace, world: World, scale: float) -> None:
    clock = Clock(world, scale)
    access = await load_access(options.kubeconfig) if options.watch else None
    async with contextlib.AsyncExitStack() as stack:
        address = await _listen(stack, application(clock), options.host, options.port)
        _say(f"fakenpu: http://{address}")
        tasks: list[Coroutine[Any, Any, None]] = []
        if access is not None:
            tasks.append(watch_cluster(clock, access))
        if options.node_ports is not None:
            tasks.append(_open_node_ports(stack, clock, options))
        await _until_stopped(tasks)


async def _open_node_ports(
    stack: contextlib.AsyncExitStack, clock: Clock, options: argparse.Namespace
) -> None:
    """Give each node a port, in the order of their names, and those that come later the next ones."""
    opened: set[str] = set()
    while True:
        nodes = clock.catch_up().nodes
        for name in sorted(set(nodes) - opened):
            port = options.node_ports + len(opened) if options.node_ports else 0
            own = await _listen(stack, node_application(clock, name), options.host, port)
            opened.add(name)
            _say(f"{name}: http://{own}/metrics")
        await asyncio.sleep(_LOOK_SECONDS)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _listen(
    stack: contextlib.AsyncExitStack, app: web.Application, host: str, port: int
) -> str:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise BadInput(
            f"{host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
    bound = runner.addresses[0]
    return f"{bound[0]}:{bound[1]}"


async def _until_stopped(tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(task) for task in tasks]
        await stopped.wait()
        for task in running:
            task.cancel()
