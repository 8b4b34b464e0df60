"""What reading telemetry costs: `python tests/bench/reader.py [--targets N] [--seconds S] [--interval S]`.

Exporters of eight RNGDs each, with all metrics of the vendor's exporter and its Go runtime's, are served by
another process on loopback. Reader and judge run here as in the operator; CPU and memory are this process's. In
the same run prometheus_client's parser reads the same bodies, for comparison. Goal: 1,000 targets every 15 s
at most 20 % of a core and 100 MiB.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing as mp
import multiprocessing.connection
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from kwatt.model.keys import PodKey
from kwatt.model.targets import ExporterTarget, Targets
from kwatt.telemetry.cards import Memory, Place, judge
from kwatt.telemetry.exposition import Scanner
from kwatt.telemetry.reader import Reader
from kwatt.telemetry.refusals import Tally
from unit.telemetry.formats import RNGD

CARDS, CORES = 8, 8
GO_SERIES = 120  # what a Go program's own registry adds, roughly
GAUGES = ("furiosa_npu_alive", "furiosa_npu_dram_total", "furiosa_npu_dram_usage")
LABELLED = {
    "furiosa_npu_hw_temperature": ("peak", "ambient"),
    "furiosa_npu_hw_power": ("rms",),
    "furiosa_npu_throttling_events_count": tuple(f"reason_{n}" for n in range(8)),
}
PER_CORE = (
    "furiosa_npu_core_utilization",
    "furiosa_npu_core_frequency",
    "furiosa_npu_total_cycle_count",
    "furiosa_npu_task_execution_cycle",
)


def body(node: int, step: int) -> str:
    """Return one exposition; watts change from step to step."""
    lines = [f'go_runtime_{n}{{le="{n}"}} {n * 17 + step}' for n in range(GO_SERIES)]
    for card in range(CARDS):
        labels = (
            f'arch="rngd",container="server",device="npu{card}",driver_version="2026.1.0",'
            f'firmware_version="2026.1.0",hostname="node-{node}",namespace="city",'
            f'pci_bus_id="0000:{card:02x}:00.0",pod="traffic-{node}-{card}",uuid="{node:08x}-{card:04x}"'
        )
        lines += (f"{name}{{{labels}}} {step}" for name in GAUGES)
        for name, values in LABELLED.items():
            lines += (f'{name}{{{labels},label="{v}"}} {40 + (step + card) % 90}' for v in values)
        for name in PER_CORE:
            lines += (f'{name}{{{labels},core="{c}"}} {step * 1000 + c}' for c in range(CORES))
    return "\n".join([*lines, ""])


def serve(pipe: multiprocessing.connection.Connection) -> None:
    """Serve /nodes/N/metrics in a process of its own; send the port."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: multiprocessing.connection.Connection) -> None:
    bodies = [body(7, step).encode() for step in range(8)]
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=bodies[asked % 8], headers={"Content-Type": "text/plain"})

    app = web.Application()
    app.router.add_get("/nodes/{node}/metrics", answer)
    runner = web.AppRunner(app, keepalive_timeout=90, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def rss_mib() -> float:
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def read_for(port: int, options: argparse.Namespace) -> tuple[float, float, float, int, int]:
    """Read for some seconds; return CPU seconds, wall seconds, MiB added, samples and refusals."""
    pods = frozenset(PodKey("city", f"traffic-7-{card}") for card in range(CARDS))
    url = f"http://127.0.0.1:{port}/nodes"
    targets = Targets(
        exporters=tuple(
            ExporterTarget(
                f"node-{n}", f"{url}/node-{n}/metrics", RNGD, options.interval * 1000, pods
            )
            for n in range(options.targets)
        )
    )
    gc.collect()
    before, samples, refused = rss_mib(), 0, 0
    async with Reader() as reader:
        begun, used = time.monotonic(), time.process_time()
        warm = begun + options.interval
        while (now := time.monotonic()) < warm + options.seconds:
            if now < warm:
                used, begun, samples = time.process_time(), now, 0
            found = await reader.read(targets, int(now * 1000))
            samples += len(found.cards)
            refused += sum(one.count for one in found.refused)
            await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - now)))
        return (
            time.process_time() - used,
            time.monotonic() - begun,
            rss_mib() - before,
            samples,
            refused,
        )


def parse_ours(text: bytes, memory: Memory) -> int:
    """Scan and judge a body as the reader does."""
    scanner, tally = Scanner((*RNGD.metrics, *RNGD.health)), Tally()
    scanner.feed(text)
    scanner.finish()
    power = [one for one in scanner.series if one.name in RNGD.metrics]
    readings = memory.cards.readings(RNGD, power, tally)
    return len(judge(RNGD, readings, Place("n", frozenset(), 0), memory, tally))


def parse_theirs(text: bytes) -> int:
    """Find the same figures with prometheus_client."""
    return sum(
        family.name == "furiosa_npu_hw_power" and len(family.samples)
        for family in text_string_to_metric_families(text.decode())
    )


def milliseconds(times: int, text: bytes, parse: object, *more: object) -> float:
    """Return CPU milliseconds of one parse."""
    assert callable(parse)
    begun = time.process_time()
    for _ in range(times):
        assert parse(text, *more) == CARDS
    return (time.process_time() - begun) * 1000 / times


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--interval", type=int, default=15)
    options = parser.parse_args()
    text = body(7, 3).encode()
    ours = milliseconds(500, text, parse_ours, Memory())
    theirs = milliseconds(20, text, parse_theirs)
    context = mp.get_context("spawn")
    ours_end, their_end = context.Pipe()
    server = context.Process(target=serve, args=(their_end,), daemon=True)
    server.start()
    try:
        cpu, wall, mib, samples, refused = asyncio.run(read_for(ours_end.recv(), options))
    finally:
        server.terminate()
    share = 100 * cpu / wall
    whole = theirs * options.targets / options.interval / 10
    rows = [
        ("bodies", f"{len(text) / 1024:.0f} KiB, {text.count(10)} series, {CARDS} cards"),
        ("reader, of one core", f"{share:.1f} % (goal 20 %)"),
        ("reader, memory added", f"{mib:.0f} MiB (goal 100 MiB)"),
        (
            "samples a second",
            f"{samples / wall:.0f} of {options.targets * CARDS / options.interval:.0f}",
        ),
        ("refused", str(refused)),
        ("find and judge one body", f"{ours:.3f} ms"),
        ("prometheus_client, one body", f"{theirs:.1f} ms, {theirs / ours:.0f} times as long"),
        ("prometheus_client, all bodies", f"{whole:.0f} % of one core for parsing alone"),
    ]
    print(f"{options.targets} targets every {options.interval} s, for {wall:.0f} s\n")
    print("\n".join(f"| {name} | {figure} |" for name, figure in rows))


if __name__ == "__main__":
    main()
