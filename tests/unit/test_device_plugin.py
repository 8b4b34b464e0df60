"""The device plugin of the fake NPU kit, against a kubelet's side of the real protocol on real sockets."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakenpu.plugin import health
from fakenpu.plugin.command import keep_registered, main
from fakenpu.plugin.devices import DeviceError, Devices, Resource, parse, preferred
from fakenpu.plugin.messages import message
from fakenpu.plugin.server import KUBELET, Plugin

ANSWER_SECONDS = 10


class Kubelet:
    """The socket on which plugins register, and what a kubelet asks them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.registered: list[Any] = []
        self._news = threading.Condition()
        self._server: grpc.Server | None = None

    def start(self) -> None:
        for stale in self._folder.iterdir():  # as the kubelet does
            stale.unlink()
        handler = grpc.unary_unary_rpc_method_handler(
            self._register, message("RegisterRequest").FromString, _bytes
        )
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("v1beta1.Registration", {"Register": handler}),)
        )
        self._server.add_insecure_port(f"unix://{self._folder / KUBELET}")
        self._server.start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.stop(0).wait()

    def wait_for(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.registered) >= count, ANSWER_SECONDS)

    def ask(self, endpoint: str, method: str, asked: Any, answer: str) -> Any:
        with grpc.insecure_channel(f"unix://{self._folder / endpoint}") as channel:
            call = channel.unary_unary(
                f"/v1beta1.DevicePlugin/{method}", _bytes, message(answer).FromString
            )
            return call(asked, timeout=ANSWER_SECONDS)

    @contextlib.contextmanager
    def watching(self, endpoint: str) -> Iterator[Iterator[dict[str, str]]]:
        with grpc.insecure_channel(f"unix://{self._folder / endpoint}") as channel:
            call = channel.unary_stream(
                "/v1beta1.DevicePlugin/ListAndWatch",
                _bytes,
                message("ListAndWatchResponse").FromString,
            )
            answers = call(message("Empty")(), timeout=ANSWER_SECONDS)
            yield ({one.ID: one.health for one in told.devices} for told in answers)
            answers.cancel()

    def _register(self, asked: Any, _: grpc.ServicerContext) -> Any:
        with self._news:
            self.registered.append(asked)
            self._news.notify_all()
        return message("Empty")()


def _bytes(sent: Any) -> bytes:
    return sent.SerializeToString()


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[Kubelet]:
    kubelet = Kubelet(tmp_path)
    kubelet.start()
    yield kubelet
    kubelet.stop()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[Devices], None]]:
    """Lend what keeps a plugin registered with the kubelet of the test."""
    stopped = threading.Event()
    threads: list[threading.Thread] = []

    def run(devices: Devices) -> None:
        plugins = [Plugin(devices, tmp_path)]
        threads.append(threading.Thread(target=keep_registered, args=(plugins, stopped)))
        threads[-1].start()

    yield run
    stopped.set()
    for thread in threads:
        thread.join(ANSWER_SECONDS)


def test_a_plugin_registers_its_resource_and_the_socket_that_serves_it(
    kubelet: Kubelet, running: Callable[[Devices], None]
) -> None:
    running(Devices(parse("furiosa.ai/rngd=2")))
    kubelet.wait_for(1)

    asked = kubelet.registered[0]
    assert (asked.version, asked.resource_name) == ("v1beta1", "furiosa.ai/rngd")
    with kubelet.watching(asked.endpoint) as states:
        assert next(states) == {"furiosa-rngd-0": "Healthy", "furiosa-rngd-1": "Healthy"}


def test_a_watch_learns_that_a_device_broke_and_was_mended(
    kubelet: Kubelet, running: Callable[[Devices], None]
) -> None:
    devices = Devices(parse("rebellions.ai/ATOM=1"))
    running(devices)
    kubelet.wait_for(1)

    with kubelet.watching(devices.resource.endpoint) as states:
        assert next(states) == {"rebellions-atom-0": "Healthy"}
        devices.mark(["rebellions-atom-0"], healthy=False)
        assert next(states) == {"rebellions-atom-0": "Unhealthy"}
        devices.mark(["rebellions-atom-0"], healthy=True)
        assert next(states) == {"rebellions-atom-0": "Healthy"}


def test_a_container_finds_the_devices_that_it_got_in_its_environment(
    kubelet: Kubelet, running: Callable[[Devices], None]
) -> None:
    devices = Devices(parse("mobilint.com/npu=3"))
    running(devices)
    kubelet.wait_for(1)

    one = message("ContainerAllocateRequest")(devices_ids=["mobilint-npu-0", "mobilint-npu-2"])
    asked = message("AllocateRequest")(container_requests=[one])
    answer = kubelet.ask(devices.resource.endpoint, "Allocate", asked, "AllocateResponse")

    envs = {pair.key: pair.value for pair in answer.container_responses[0].envs}
    assert envs == {"FAKENPU_DEVICES": "mobilint-npu-0,mobilint-npu-2"}


def test_a_plugin_comes_back_by_itself_after_the_kubelet_restarted(
    kubelet: Kubelet, running: Callable[[Devices], None]
) -> None:
    devices = Devices(parse("furiosa.ai/rngd=1"))
    running(devices)
    kubelet.wait_for(1)

    kubelet.stop()
    kubelet.start()
    kubelet.wait_for(2)

    with kubelet.watching(devices.resource.endpoint) as states:
        assert next(states) == {"furiosa-rngd-0": "Healthy"}


def test_health_is_changed_over_http_and_only_in_words_that_make_sense() -> None:
    every = [Devices(parse("furiosa.ai/rngd=1")), Devices(parse("mobilint.com/npu=1"))]
    with health.server(every, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert '"furiosa-rngd-0": "Unhealthy"' in health.ask(port, ["furiosa-rngd-0"], "Unhealthy")
        assert '"mobilint-npu-0": "Healthy"' in health.ask(port)
        server.shutdown()

    with pytest.raises(DeviceError, match="name devices by id: furiosa-rngd-0, mobilint-npu-0"):
        health.mark(every, ["furiosa-rngd-9"], "Healthy")
    with pytest.raises(DeviceError, match="health is Healthy or Unhealthy, not 'ill'"):
        health.mark(every, ["furiosa-rngd-0"], "ill")


@pytest.mark.parametrize("text", ["rngd=4", "furiosa.ai/rngd", "furiosa.ai/rngd=-1", "a.b/c=257"])
def test_a_resource_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DeviceError, match=r"write DOMAIN/NAME=COUNT .* like furiosa.ai/rngd=4"):
        parse(text)


def test_a_resource_named_twice_ends_the_program_with_status_2(tmp_path: Path) -> None:
    twice = ["--resource", "a.example/npu=1", "--resource", "a.example/npu=2"]

    assert main(["run", "--folder", str(tmp_path), *twice]) == 2


def test_the_lowest_devices_are_preferred_by_number() -> None:
    available = [f"npu-{number}" for number in (10, 9, 2, 11)]

    assert preferred(available, ["npu-11"], 3) == ("npu-11", "npu-2", "npu-9")


def test_resources_of_different_spelling_have_sockets_of_their_own() -> None:
    endpoints = {Resource(name, 1).endpoint for name in ("rebellions.ai/npu", "mobilint.com/npu")}

    assert endpoints == {"fakenpu-rebellions-ai-npu.sock", "fakenpu-mobilint-com-npu.sock"}
