"""The reader against real servers: limits, lanes and what comes back of every way to misbehave."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable

import pytest
from aiohttp import web

from kwatt.model.keys import PodKey
from kwatt.model.targets import ExporterTarget, RuntimeTarget, Targets, Unreadable
from kwatt.model.telemetry import Readings, Refusal, Refused, Source
from kwatt.telemetry.fetching import Limits
from kwatt.telemetry.reader import Reader, Settings
from unit.telemetry.conftest import Servers
from unit.telemetry.formats import HELD, POD, RNGD, rngd
from unit.telemetry.test_counters import format_for

QUICK = Settings(round_seconds=10.0, target=Limits(seconds=0.3, bytes=2**20))
BODY = rngd("A", 141, namespace=POD.namespace, pod=POD.name) + rngd("B", 40)
WALL = 1_800_000_000_000


def exporter(url: str, node: str = "n1") -> ExporterTarget:
    return ExporterTarget(node, f"{url}/metrics", RNGD, 15_000, HELD)


async def read(*targets: ExporterTarget, settings: Settings = QUICK) -> Readings:
    async with Reader(settings, wall_ms=lambda: WALL) as reader:
        return await reader.read(Targets(exporters=targets), 1000)


async def reason(url: str) -> Refusal:
    """Read one target that gives nothing, and return why."""
    readings = await read(exporter(url))
    (refused,) = readings.refused
    assert readings.cards == ()
    assert (refused.source, refused.node, refused.npu_class) == (
        Source.EXPORTER,
        "n1",
        "furiosa-rngd",
    )
    return refused.reason


async def test_cards_come_with_pods_health_and_the_callers_time(servers: Servers) -> None:
    url = await servers.text(
        BODY + 'furiosa_npu_alive{uuid="A"} 1\nfuriosa_npu_alive{uuid="B"} 0\n'
    )

    a, b = (await read(exporter(url))).cards

    assert (a.power.milliwatts, a.pods, a.healthy, a.names_pods) == (141_000, (POD,), True, True)
    assert (b.power.milliwatts, b.pods, b.healthy, b.names_pods) == (40_000, (), False, True)
    assert a.at >= 1000


async def test_nothing_is_asked_before_its_interval_has_passed(servers: Servers) -> None:
    asked = []

    async def count(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text=BODY)

    targets = Targets(exporters=(exporter(await servers.http(count)),))
    async with Reader(QUICK) as reader:
        for now in range(0, 31_000, 1000):
            await reader.read(targets, now)

    assert asked == ["/metrics"] * 3


async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + BODY.encode())
    while True:
        writer.write(b"# " + b"x" * 60_000 + b"\n")
        await writer.drain()


async def endless_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Junk: " + b"y" * 1000 + b"\r\n")
        await writer.drain()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"#\n")
        await writer.drain()
        await asyncio.sleep(0.01)  # the server's pace, not the test's


async def cut_short(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + BODY.encode())
    await writer.drain()


async def no_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("speak", "expected"),
    [
        (silent, Refusal.TIMED_OUT),
        (drip, Refusal.TIMED_OUT),
        (endless, Refusal.TOO_LARGE),
        (endless_headers, Refusal.UNREACHABLE),
        (cut_short, Refusal.UNREACHABLE),
        (no_http, Refusal.UNREACHABLE),
    ],
)
async def test_what_no_server_should_do_is_bounded(
    servers: Servers, speak: Callable[..., object], expected: Refusal
) -> None:
    assert await reason(await servers.raw(speak)) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"x" * 2**21, {}, Refusal.TOO_LARGE),
        (gzip.compress(b"\0" * 2**27), {"Content-Encoding": "gzip"}, Refusal.TOO_LARGE),
        (b"no gzip", {"Content-Encoding": "gzip"}, Refusal.NOT_EXPOSITION),
        (b"x", {"Content-Encoding": "br"}, Refusal.NOT_EXPOSITION),
        (b"<html>\n", {"Content-Type": "text/html"}, Refusal.NOT_EXPOSITION),
        (b"<html>\n", {}, Refusal.NOT_EXPOSITION),
        (b"", {}, Refusal.EMPTY),
        (b"other_metric 1\n", {}, Refusal.UNKNOWN_METRICS),
        (b'furiosa_npu_hw_power{uuid="A"} 4795000\n', {}, Refusal.UNKNOWN_METRICS),
        (rngd("A\udcff", 141).encode(errors="surrogateescape"), {}, Refusal.NOT_EXPOSITION),
        (rngd("A", f"141 {WALL + 61_000}").encode(), {}, Refusal.FUTURE_CLOCK),
        (rngd("A", f"141 {WALL - 301_000}").encode(), {}, Refusal.FROZEN),
    ],
)  # fmt: skip
async def test_bodies_that_can_not_be_used_say_why(
    servers: Servers, body: bytes, headers: dict[str, str], expected: Refusal
) -> None:
    assert await reason(await servers.text(body, **headers)) is expected


async def test_what_was_looked_for_and_what_was_seen_is_told(servers: Servers) -> None:
    url = await servers.text('furiosa_npu_power_watts{uuid="A"} 141\n')

    (refused,) = (await read(exporter(url))).refused

    assert refused.message == (
        "looked for furiosa_npu_hw_power; saw furiosa_npu_power_watts and so on"
    )


async def test_a_million_series_of_others_are_too_large_and_of_ours_too_many(
    servers: Servers,
) -> None:
    others = b"".join(b'junk{n="%d"} 1\n' % n for n in range(10**5))
    ours = b"".join(rngd(str(n), 141).encode() for n in range(5000))

    assert await reason(await servers.text(others)) is Refusal.TOO_LARGE
    assert await reason(await servers.text(ours)) is Refusal.TOO_MANY_SERIES


async def test_redirects_and_errors_are_not_followed(servers: Servers) -> None:
    asked = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(
            status=int(request.path.split("/")[1]), headers={"Location": "/metrics"}
        )

    url = await servers.http(elsewhere)

    assert await reason(f"{url}/302") is Refusal.REDIRECTED
    assert await reason(f"{url}/308") is Refusal.REDIRECTED
    assert await reason(f"{url}/503") is Refusal.HTTP_STATUS
    assert asked == ["/302/metrics", "/308/metrics", "/503/metrics"]


async def test_tls_where_there_is_none_is_told(servers: Servers) -> None:
    url = (await servers.raw(no_http, until=b"\x16\x03")).replace("http:", "https:")

    assert await reason(url) is Refusal.TLS


async def test_gzip_that_nobody_asked_for_is_read(servers: Servers) -> None:
    url = await servers.text(gzip.compress(BODY.encode()), **{"Content-Encoding": "gzip"})

    assert len((await read(exporter(url))).cards) == 2


async def test_openmetrics_stamps_in_seconds(servers: Servers) -> None:
    body = rngd("A", f"141 {WALL // 1000}.5") + "# EOF\n"
    url = await servers.text(
        body, **{"Content-Type": "application/openmetrics-text; version=1.0.0"}
    )

    assert len((await read(exporter(url))).cards) == 1


async def test_no_credentials_cookies_or_proxies_are_sent(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[dict[str, str]] = []

    async def look(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(text=BODY, headers={"Set-Cookie": "session=1"})

    targets = Targets(exporters=(exporter(await servers.http(look)),))
    async with Reader(QUICK) as reader:
        await reader.read(targets, 0)
        await reader.read(targets, 15_000)

    assert [sorted(headers) for headers in seen] == [
        ["Accept", "Accept-Encoding", "Host", "User-Agent"]
    ] * 2


async def test_targets_that_hang_delay_none_that_answer(servers: Servers) -> None:
    hang, answer = await servers.raw(silent), await servers.text(BODY)
    hung = tuple(exporter(hang, f"hung-{n}") for n in range(12))
    well = tuple(exporter(answer, f"well-{n}") for n in range(4))
    slow = Settings(round_seconds=0.5, at_once=2, failing_at_once=1, target=Limits(seconds=0.2))
    refused: list[Refused] = []
    async with Reader(slow) as reader:
        for now in range(0, 15_000, 1250):
            refused += (await reader.read(Targets(exporters=hung), now)).refused
        await reader.read(Targets(exporters=hung + well), 60_000)
        found = await reader.read(Targets(exporters=hung + well), 75_000)

    assert len(refused) == len(hung)
    assert {card.card.node for card in found.cards} == {one.node for one in well}
    assert len(found.refused) < len(hung)


async def test_a_slow_answer_comes_with_a_later_round(servers: Servers) -> None:
    let_go = asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        await let_go.wait()
        return web.Response(text=BODY)

    targets = Targets(exporters=(exporter(await servers.http(late)),))
    async with Reader(Settings(round_seconds=0.05)) as reader:
        assert await reader.read(targets, 0) == Readings()
        let_go.set()
        deadline = time.monotonic() + 10
        while not (cards := (await reader.read(targets, 1)).cards):
            assert time.monotonic() < deadline

    assert len(cards) == 2


async def test_counters_of_pods_are_read_and_units_that_do_not_fit_are_told(
    servers: Servers,
) -> None:
    url = await servers.text('vllm:generation_tokens_total{engine="0"} 12\n')
    misfit = Unreadable(Refusal.UNIT_MISMATCH, "images are not tokens")
    runtimes = (
        RuntimeTarget(POD, url, format_for("VLLM", "tokens"), 15_000),
        RuntimeTarget(PodKey("city", "other"), url, misfit, 15_000),
    )
    async with Reader(QUICK) as reader:
        found = await reader.read(Targets(runtimes=runtimes), 0)
        found = Readings(
            counters=found.counters,
            refused=found.refused + (await reader.read(Targets(runtimes=runtimes), 7500)).refused,
        )

    assert [(one.pod, one.served) for one in found.counters] == [(POD, 12_000_000)]
    assert [(one.pod, one.reason) for one in found.refused] == [
        (PodKey("city", "other"), Refusal.UNIT_MISMATCH)
    ]
