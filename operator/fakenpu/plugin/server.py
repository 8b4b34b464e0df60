"""One resource towards the kubelet: a gRPC server on a socket of its own, and its registration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from fakenpu.plugin import messages
from fakenpu.plugin.devices import Devices, preferred
from fakenpu.plugin.messages import message

KUBELET = "kubelet.sock"
ALLOCATED = "FAKENPU_DEVICES"  # what a container finds in its environment
REGISTER_SECONDS = 5.0
STOP_SECONDS = 2.0
THREADS = 8  # a watch holds one as long as it lasts; the kubelet has one watch
PREFIX = f"{messages.PACKAGE}."


class _Identity(NamedTuple):
    device: int
    inode: int
    changed_ns: int


class Plugin:
    """The plugin of one resource in the kubelet's folder of device plugins."""

    def __init__(self, devices: Devices, folder: Path) -> None:
        self.devices = devices
        self._folder = folder
        self._socket = folder / devices.resource.endpoint
        self._server: grpc.Server | None = None
        self._registered_with: _Identity | None = None

    @property
    def registered(self) -> bool:
        """Tell whether the kubelet that runs now knows this plugin.

        A kubelet that starts empties the folder and makes its socket anew, and expects every plugin
        to come back by itself.
        """
        kubelet = _identity(self._folder / KUBELET)
        known = kubelet is not None and kubelet == self._registered_with
        return known and self._server is not None and self._socket.exists()

    def register(self) -> None:
        """Serve on a fresh socket and tell the kubelet; raise grpc.RpcError where it does not answer."""
        self.stop()
        kubelet = _identity(self._folder / KUBELET)
        self._server = self._serve()
        options = message("DevicePluginOptions")(get_preferred_allocation_available=True)
        request = message("RegisterRequest")(
            version=messages.VERSION,
            endpoint=self._socket.name,
            resource_name=self.devices.resource.name,
            options=options,
        )
        with grpc.insecure_channel(f"unix://{self._folder / KUBELET}") as channel:
            call = channel.unary_unary(
                f"/{PREFIX}Registration/Register",
                request_serializer=type(request).SerializeToString,
                response_deserializer=message("Empty").FromString,
            )
            call(request, timeout=REGISTER_SECONDS)
        self._registered_with = kubelet

    def stop(self) -> None:
        """End the server; the kubelet keeps the devices as unhealthy until the plugin is back."""
        self._registered_with = None
        if self._server is not None:
            self._server.stop(STOP_SECONDS).wait()
            self._server = None
        self._socket.unlink(missing_ok=True)

    def _serve(self) -> grpc.Server:
        self._socket.unlink(missing_ok=True)
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS))
        handlers = {
            "GetDevicePluginOptions": _unary(_options, "Empty"),
            "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                self._list_and_watch, message("Empty").FromString, _bytes
            ),
            "GetPreferredAllocation": _unary(_prefer, "PreferredAllocationRequest"),
            "Allocate": _unary(_allocate, "AllocateRequest"),
            "PreStartContainer": _unary(_pre_start, "PreStartContainerRequest"),
        }
        service = grpc.method_handlers_generic_handler(f"{PREFIX}DevicePlugin", handlers)
        server.add_generic_rpc_handlers((service,))
        server.add_insecure_port(f"unix://{self._socket}")
        server.start()
        return server

    def _list_and_watch(self, _: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(self.devices.wake)  # it runs when the call is over
        for states in self.devices.watch(context.is_active):
            yield message("ListAndWatchResponse")(
                devices=[_device(one, healthy) for one, healthy in states.items()]
            )


def _identity(socket: Path) -> _Identity | None:
    try:
        found = socket.stat()
    except OSError:
        return None
    return _Identity(found.st_dev, found.st_ino, found.st_ctime_ns)


def _device(one: str, healthy: bool) -> Any:  # noqa: FBT001  # two columns of one table
    health = messages.HEALTHY if healthy else messages.UNHEALTHY
    return message("Device")(ID=one, health=health)


def _unary(answer: Callable[[Any], Any], request: str) -> Any:
    def behave(asked: Any, _: grpc.ServicerContext) -> Any:
        return answer(asked)

    return grpc.unary_unary_rpc_method_handler(behave, message(request).FromString, _bytes)


def _bytes(answer: Any) -> bytes:
    encoded: bytes = answer.SerializeToString()
    return encoded


def _options(_: Any) -> Any:
    return message("DevicePluginOptions")(get_preferred_allocation_available=True)


def _prefer(asked: Any) -> Any:
    chosen = (
        preferred(one.available_deviceIDs, one.must_include_deviceIDs, one.allocation_size)
        for one in asked.container_requests
    )
    answers = [message("ContainerPreferredAllocationResponse")(deviceIDs=ids) for ids in chosen]
    return message("PreferredAllocationResponse")(container_responses=answers)


def _allocate(asked: Any) -> Any:
    pair, answer = message("Pair"), message("ContainerAllocateResponse")
    answers = [
        answer(envs=[pair(key=ALLOCATED, value=",".join(one.devices_ids))])
        for one in asked.container_requests
    ]
    return message("AllocateResponse")(container_responses=answers)


def _pre_start(_: Any) -> Any:
    return message("PreStartContainerResponse")()
