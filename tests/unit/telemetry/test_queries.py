"""Prometheus-compatible servers: classes and meters, errors, nothing, too much."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from kwatt.model.keys import PodKey
from kwatt.model.targets import ClassQuery, MeterQuery, Targets
from kwatt.model.telemetry import Readings, Refusal
from kwatt.telemetry.queries import query_of
from kwatt.telemetry.reader import Reader
from unit.telemetry.conftest import Servers
from unit.telemetry.formats import ATOM, POD, POWER, RNGD
from unit.telemetry.test_reader import QUICK, WALL

NODES = {"n1": "n1", "host-2": "n2", "10.0.0.3": "n3"}
HELD = {"n1": frozenset({POD})}


def vector(*results: tuple[dict[str, str], object], at: float = WALL / 1000) -> dict[str, Any]:
    found = [{"metric": labels, "value": [at, value]} for labels, value in results]
    return {"status": "success", "data": {"resultType": "vector", "result": found}}


def card(uuid: str, **labels: str) -> dict[str, str]:
    return {"__name__": POWER, "label": "rms", "uuid": uuid, **labels}


async def ask(
    servers: Servers, answer: object, *, status: int = 200, meter: bool = False
) -> Readings:
    text = answer if isinstance(answer, str) else json.dumps(answer)

    async def serve(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/query"
        assert request.query["query"]
        return web.Response(status=status, text=text, content_type="application/json")

    url = await servers.http(serve)
    targets = (
        Targets(meters=(MeterQuery("rack-a1", url, "sum(pdu_watts)"),))
        if meter
        else Targets(queries=(ClassQuery(url, RNGD, 15_000, NODES, HELD),))
    )
    async with Reader(QUICK, wall_ms=lambda: WALL) as reader:
        return await reader.read(targets, 0)


async def test_cards_are_on_the_nodes_that_labels_speak_of(servers: Servers) -> None:
    found = await ask(
        servers,
        vector(
            (card("A", hostname="n1", instance="10.9.9.9:6254"), "141"),
            (card("B", hostname="host-2"), "40"),
            (card("C", instance="10.0.0.3:6254"), "39.5"),
            (card("D", hostname="elsewhere"), "39"),
        ),
    )

    assert [(one.card.node, one.card.card, one.power.milliwatts) for one in found.cards] == [
        ("n1", "A", 141_000),
        ("n2", "B", 40_000),
        ("n3", "C", 39_500),
    ]
    assert [(one.reason, one.count) for one in found.refused] == [(Refusal.FOREIGN_LABEL, 1)]


async def test_a_card_that_several_series_repeat_counts_once(servers: Servers) -> None:
    twice = (card("A", node="n1", pod="x"), "141"), (card("A", node="n1", pod="y"), "141")

    assert [one.power.milliwatts for one in (await ask(servers, vector(*twice))).cards] == [141_000]


async def test_the_exporters_own_pod_is_not_taken_for_the_one_that_holds_the_card(
    servers: Servers,
) -> None:
    names = {"namespace": "kube-system", "pod": "furiosa-metrics-exporter-x"}
    exported = {"exported_namespace": POD.namespace, "exported_pod": POD.name}
    found = await ask(
        servers,
        vector(
            (card("A", node="n1", **names, **exported), "141"),
            (card("B", node="n1", **names), "40"),
        ),
    )

    assert [one.pods for one in found.cards] == [(PodKey("city", "traffic-0"),), ()]
    assert found.refused == ()


def test_every_name_of_a_class_is_asked_for() -> None:
    assert query_of(ATOM) == '{__name__=~"rbln_npu_power|RBLN_DEVICE_STATUS:CARD_POWER"}'


BAD_QUERY = {"status": "error", "errorType": "bad_data", "error": "unexpected end of input"}
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [WALL / 1000, "8125.5"]}}


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (BAD_QUERY, 400, Refusal.HTTP_STATUS),
        (vector(), 200, Refusal.EMPTY),
        (vector(({"pdu": "1"}, "1"), ({"pdu": "2"}, "2")), 200, Refusal.DUPLICATE_SERIES),
        (vector(({}, "NaN")), 200, Refusal.NOT_A_NUMBER),
        (vector(({}, "-4")), 200, Refusal.NEGATIVE),
        (vector(({}, "4"), at=WALL / 1000 + 90), 200, Refusal.FUTURE_CLOCK),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, 200, Refusal.NOT_EXPOSITION),
        ({"status": "success", "data": {"resultType": "vector", "result": [{}]}}, 200, Refusal.NOT_EXPOSITION),
        ({"status": "success"}, 200, Refusal.NOT_EXPOSITION),
        ("[" * 100_000, 200, Refusal.NOT_EXPOSITION),
        ("null", 200, Refusal.HTTP_STATUS),
        ("", 503, Refusal.NOT_EXPOSITION),
    ],
)  # fmt: skip
async def test_a_meter_without_one_usable_value_says_why(
    servers: Servers, answer: object, status: int, reason: Refusal
) -> None:
    found = await ask(servers, answer, status=status, meter=True)

    assert found.meters == ()
    assert [(one.reason, one.budget) for one in found.refused] == [(reason, "rack-a1")]


@pytest.mark.parametrize("answer", [SCALAR, vector(({}, "8125.5"))], ids=["scalar", "vector"])
async def test_a_meter_is_read_in_watts(servers: Servers, answer: object) -> None:
    (meter,) = (await ask(servers, answer, meter=True)).meters

    assert (meter.budget, meter.power.milliwatts) == ("rack-a1", 8_125_500)


async def test_what_the_server_says_of_a_wrong_query_is_told(servers: Servers) -> None:
    (refused,) = (await ask(servers, BAD_QUERY, status=400, meter=True)).refused

    assert refused.message == "the server refuses the query: unexpected end of input"


async def test_a_query_that_was_corrected_is_asked_at_once(servers: Servers) -> None:
    async def serve(request: web.Request) -> web.Response:
        sound = request.query["query"] == "sum(pdu_watts)"
        return web.json_response(vector(({}, "141")) if sound else vector())

    url = await servers.http(serve)
    wrong, right = (
        Targets(meters=(MeterQuery("rack-a1", url, query),))
        for query in ("sum(pdu_wats)", "sum(pdu_watts)")
    )
    async with Reader(QUICK, wall_ms=lambda: WALL) as reader:
        assert not (await reader.read(wrong, 0)).meters
        assert not (await reader.read(wrong, 15_000)).meters  # put off from now on
        assert (await reader.read(right, 16_000)).meters
