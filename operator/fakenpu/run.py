"""`fakenpu run`: serve a scenario on loopback until somebody ends it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from aiohttp import web

from fakenpu.clock import Clock
from fakenpu.scenario import Scenario, read_scenario, world_of
from fakenpu.serving import application, node_application, pod_application
from fakenpu.watching import watch_cluster
from fakenpu.world import World


def main(argv: list[str]) -> int:
    """Serve until interrupted; return 0."""
    options = _options(argv)
    scenario = read_scenario(options.file) if options.file else Scenario()
    folder = options.file.parent if options.file else Path()
    world = world_of(scenario, folder, epoch=time.time_ns() // 1_000_000)
    scale = scenario.time_scale if options.time_scale is None else options.time_scale
    asyncio.run(_serve(options, world, scale))
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fakenpu run", description=__doc__)
    parser.add_argument("-f", "--file", type=Path, help="scenario, YAML or JSON")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=9400, help="0 takes a free one and prints it")
    parser.add_argument(
        "--node-ports", type=int, metavar="FIRST", help="also a port per node, from FIRST on"
    )
    parser.add_argument(
        "--pod-port", type=int, help="also answer for pods on this port of their own addresses"
    )
    parser.add_argument("--time-scale", type=float, help="seconds of the world per second; 0 stops")
    parser.add_argument(
        "--watch", action="store_true", help="take nodes, pods and services from the cluster"
    )
    parser.add_argument("--kubeconfig", help="of the cluster; otherwise $KUBECONFIG")
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace, world: World, scale: float) -> None:
    clock = Clock(world, scale)
    async with contextlib.AsyncExitStack() as stack:
        address = await _listen(stack, application(clock), options.host, options.port)
        sys.stdout.write(f"fakenpu: http://{address}\n")
        if options.node_ports is not None:
            for number, name in enumerate(sorted(world.nodes)):
                app = node_application(clock, name)
                own = await _listen(stack, app, options.host, options.node_ports + number)
                sys.stdout.write(f"{name}: http://{own}/metrics\n")
        if options.pod_port is not None:
            await _listen(stack, pod_application(clock), "0.0.0.0", options.pod_port)  # noqa: S104
        sys.stdout.flush()
        await _until_stopped(clock, options)


async def _listen(
    stack: contextlib.AsyncExitStack, app: web.Application, host: str, port: int
) -> str:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
    bound = runner.addresses[0]
    return f"{bound[0]}:{bound[1]}"


async def _until_stopped(clock: Clock, options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if not options.watch:
        await stopped.wait()
        return
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch_cluster(clock, options.kubeconfig))
        await stopped.wait()
        watching.cancel()
