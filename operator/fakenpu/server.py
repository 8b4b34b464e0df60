"""`fakenpu server`: stands in for a model server in a pod; 200 on / and /health, and a runtime's counters.

It needs the standard library only, so that its image is small.
"""

from __future__ import annotations

import argparse
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_METRICS: Final = {
    "counter": """\
# HELP served_total What was served.
# TYPE served_total counter
served_total {served}
""",
    "furiosa-llm": """\
# HELP furiosa_llm_num_requests_waiting Number of requests waiting to be processed.
# TYPE furiosa_llm_num_requests_waiting gauge
furiosa_llm_num_requests_waiting{{engine="0",model_name="{model}"}} 0.0
# HELP furiosa_llm_generation_tokens_total Number of generation tokens processed.
# TYPE furiosa_llm_generation_tokens_total counter
furiosa_llm_generation_tokens_total{{engine="0",model_name="{model}"}} {served}
# HELP furiosa_llm_request_success_total Count of successfully processed requests.
# TYPE furiosa_llm_request_success_total counter
furiosa_llm_request_success_total{{engine="0",finished_reason="stop",model_name="{model}"}} {served}
""",
    "vllm": """\
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="{model}"}} 0.0
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="{model}"}} {served}
# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{{engine="0",finished_reason="stop",model_name="{model}"}} {served}
""",
}


def main(argv: list[str]) -> int:
    """Serve until the process ends; arguments that are not known are passed over, as a model's would be."""
    with server_of(argv) as server:
        server.serve_forever()
    return 0


def server_of(argv: list[str]) -> ThreadingHTTPServer:
    """Return the server, bound and not serving yet."""
    options, _ = _parser().parse_known_args(argv)
    server = ThreadingHTTPServer((options.host, options.port), _handler(options))
    server.daemon_threads = True
    return server


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fakenpu server", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - in a pod
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--runtime", choices=sorted(_METRICS), default="counter")
    parser.add_argument("--model", default="fake")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="units a second that it says to have served"
    )
    return parser


def _handler(options: argparse.Namespace) -> type[BaseHTTPRequestHandler]:
    started = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served = int((time.monotonic() - started) * options.rate)
            pages = {
                "/": "ok\n",
                "/health": "ok\n",
                "/metrics": _METRICS[options.runtime].format(served=served, model=options.model),
            }
            body = pages.get(self.path.partition("?")[0])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", _TEXT)
            self.end_headers()
            self.wfile.write((body or "not found\n").encode())

        def log_message(self, *_: object) -> None:
            """Say nothing: probes come every second."""

    return Handler
