"""`fakenpu device-plugin`: run the plugin, or change the health of the devices of one that runs.

fakenpu device-plugin run --resource furiosa.ai/rngd=4 --resource mobilint.com/npu=2
fakenpu device-plugin health Unhealthy furiosa-rngd-0 furiosa-rngd-1
fakenpu device-plugin states
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import urllib.error
from collections.abc import Sequence
from pathlib import Path

import grpc

from fakenpu.plugin import health
from fakenpu.plugin.devices import DeviceError, Devices, parse
from fakenpu.plugin.messages import HEALTHY, UNHEALTHY
from fakenpu.plugin.server import Plugin

# Where the kubelet looks for plugins, and every plugin for the kubelet.
FOLDER = Path("/var/lib/kubelet/device-plugins")
PORT = 9416
LOOK_SECONDS = 1.0  # how often to look whether the kubelet is still the one that knows the plugin

log = logging.getLogger("fakenpu.device-plugin")


def main(argv: Sequence[str]) -> int:
    """Run one of the commands and return its exit status."""
    chosen = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        status: int = chosen.act(chosen)
    except (DeviceError, urllib.error.HTTPError) as error:
        words = error.read().decode() if isinstance(error, urllib.error.HTTPError) else error
        log.error("%s", words)
        return 2
    except urllib.error.URLError as error:
        log.error("no plugin answers on port %d: %s; is it running?", chosen.port, error.reason)
        return 1
    return status


def keep_registered(plugins: Sequence[Plugin], stopped: threading.Event) -> None:
    """Register every plugin with the kubelet, again whenever that is another one, until stopped."""
    while not stopped.is_set():
        for plugin in plugins:
            if not plugin.registered:
                _register(plugin)
        stopped.wait(LOOK_SECONDS)
    for plugin in plugins:
        plugin.stop()


def _register(plugin: Plugin) -> None:
    resource = plugin.devices.resource
    try:
        plugin.register()
    except (grpc.RpcError, OSError, RuntimeError) as error:
        words = error.details() if isinstance(error, grpc.Call) else error
        log.warning("not registered resource=%s reason=%s", resource.name, words)
        plugin.stop()
    else:
        log.info("registered resource=%s devices=%d", resource.name, resource.count)


def _run(chosen: argparse.Namespace) -> int:
    resources = [parse(text) for text in chosen.resource]
    if len({one.endpoint for one in resources}) != len(resources):
        raise DeviceError("a resource is named twice, or two differ in punctuation only")
    if len({name for one in resources for name in one.ids}) != sum(one.count for one in resources):
        raise DeviceError(
            "two resources of one vendor have the same name: their device ids would clash"
        )
    every = [Devices(one, chosen.unhealthy) for one in resources]
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with health.server(every, chosen.port) as answers:
        threading.Thread(target=answers.serve_forever, daemon=True).start()
        keep_registered([Plugin(one, chosen.folder) for one in every], stopped)
        answers.shutdown()
    return 0


def _health(chosen: argparse.Namespace) -> int:
    print(health.ask(chosen.port, chosen.ids, chosen.health))  # noqa: T201
    return 0


def _states(chosen: argparse.Namespace) -> int:
    print(health.ask(chosen.port))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fakenpu device-plugin", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="of loopback, for the health")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="serve devices to the kubelet of this node")
    run.add_argument("--resource", action="append", required=True, metavar="DOMAIN/NAME=COUNT")
    run.add_argument(
        "--unhealthy", action="append", default=[], metavar="ID", help="from the start"
    )
    run.add_argument("--folder", type=Path, default=FOLDER, help="of the kubelet's sockets")
    run.set_defaults(act=_run)
    change = commands.add_parser("health", help="make devices Healthy or Unhealthy")
    change.add_argument("health", choices=(HEALTHY, UNHEALTHY))
    change.add_argument("ids", nargs="+", metavar="ID")
    change.set_defaults(act=_health)
    commands.add_parser("states", help="print the health of all").set_defaults(act=_states)
    return parser
