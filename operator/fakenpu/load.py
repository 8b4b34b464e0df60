"""`fakenpu load`: change what is asked of services of a fakenpu that runs, through its control endpoint."""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from fakenpu.quantities import BadInput
from fakenpu.scenario import ScenarioService, read_scenario

_SECONDS = 10


def main(argv: list[str]) -> int:
    """Send the loads and return 0; raise BadInput for what fakenpu refuses."""
    options = _parser().parse_args(argv)
    if options.file is not None:
        for service in read_scenario(options.file).services:
            path = f"services/{service.namespace}/{service.name}"
            _put(options.url, path, _body(service, options.file.parent))
        return 0
    if options.service is None or "/" not in options.service:
        raise BadInput("service: name one as namespace/service, or give a scenario with -f")
    _put(options.url, f"loads/{options.service}", _load(options))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fakenpu load", description=__doc__)
    parser.add_argument("service", nargs="?", help="namespace/service")
    parser.add_argument("--url", default="http://127.0.0.1:9400", help="of the fakenpu that runs")
    loads = parser.add_mutually_exclusive_group(required=True)
    loads.add_argument("-f", "--file", type=Path, help="scenario: all its services")
    loads.add_argument("--constant", type=float, metavar="RATE")
    loads.add_argument("--steps", nargs="+", metavar="SECOND:RATE")
    loads.add_argument("--diurnal", nargs=2, type=float, metavar=("LOW", "HIGH"))
    loads.add_argument("--trace", type=Path, metavar="CSV", help="Azure LLM inference trace 2023")
    parser.add_argument("--peak", type=float, help="rate of the trace's busiest minute")
    parser.add_argument("--period", type=int, default=86_400, help="seconds of a diurnal day")
    return parser


def _load(options: argparse.Namespace) -> dict[str, Any]:
    if options.constant is not None:
        return {"shape": "Constant", "perSecond": options.constant}
    if options.diurnal is not None:
        low, high = options.diurnal
        period = {"periodSeconds": options.period, "everySeconds": max(1, options.period // 1_440)}
        return {"shape": "Diurnal", "lowPerSecond": low, "highPerSecond": high, **period}
    if options.trace is not None:
        peak = {} if options.peak is None else {"peakPerSecond": options.peak}
        return {"shape": "Trace", "file": str(options.trace.resolve()), **peak}
    return {"shape": "Step", "steps": [_step(text) for text in options.steps]}


def _step(text: str) -> dict[str, str]:
    second, colon, rate = text.partition(":")
    if not colon:
        raise BadInput(f"--steps: {text!r} is no step; write SECOND:RATE such as 60:500")
    return {"atSeconds": second, "perSecond": rate}


def _body(service: ScenarioService, folder: Path) -> dict[str, Any]:
    body = service.model_dump(mode="json", by_alias=True, exclude={"namespace", "name"})
    if "file" in body["load"]:
        body["load"]["file"] = str((folder / body["load"]["file"]).resolve())
    return body


def _put(url: str, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - the address is the user's own
        f"{url}/control/{path}", data=json.dumps(body).encode(), method="PUT"
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        raise BadInput(error.read().decode(errors="replace").strip()) from error
    except (OSError, ValueError) as error:
        raise BadInput(f"--url {url}: {error}; is `fakenpu run` running there?") from error
