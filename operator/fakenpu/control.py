"""The control endpoint: faults, loads, the clock and pods at run time, and what the kit's own meter shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from pydantic import Field, ValidationError

from fakenpu.clock import Clock
from fakenpu.faults import NO_FAULTS, Faults, Part
from fakenpu.keys import PodKey, ServiceKey
from fakenpu.loads import LOAD
from fakenpu.quantities import BadInput
from fakenpu.scenario import ScenarioPod, ScenarioService, sentences, target_of
from fakenpu.shapes import Later
from fakenpu.world import World

_Model = TypeVar("_Model", bound=Part)


class _Speed(Part):
    scale: float = Field(ge=0, le=100_000)


class _Skip(Part):
    seconds: float = Field(ge=0)


def control_routes(clock: Clock) -> list[web.RouteDef]:
    """Return the routes below /control."""
    control = _Control(clock)
    return [
        web.get("/control/meter", control.meter),
        web.get("/control/world", control.world),
        web.put("/control/clock", control.set_speed),
        web.post("/control/advance", control.advance),
        web.put("/control/faults/{target:.+}", control.set_faults),
        web.delete("/control/faults/{target:.+}", control.clear_faults),
        web.put("/control/loads/{namespace}/{service}", control.set_load),
        web.put("/control/services/{namespace}/{service}", control.set_service),
        web.put("/control/pods/{namespace}/{pod}", control.place),
        web.delete("/control/pods/{namespace}/{pod}", control.remove),
        web.post("/control/pods/{namespace}/{pod}/restart", control.restart),
    ]


class _Control:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def meter(self, _: web.Request) -> web.Response:
        return web.json_response(self._clock.catch_up().meter().as_document())

    async def world(self, _: web.Request) -> web.Response:
        return web.json_response(_document(self._clock.catch_up(), self._clock.scale))

    async def set_speed(self, request: web.Request) -> web.Response:
        self._clock.set_scale((await _parsed(_Speed, request)).scale)
        return _done()

    async def advance(self, request: web.Request) -> web.Response:
        self._clock.skip((await _parsed(_Skip, request)).seconds)
        return _done()

    async def set_faults(self, request: web.Request) -> web.Response:
        faults = await _parsed(Faults, request)
        self._set_faults(target_of(request.match_info["target"]), faults)
        return _done()

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._set_faults(target_of(request.match_info["target"]), NO_FAULTS)
        return _done()

    async def set_load(self, request: web.Request) -> web.Response:
        try:
            load = LOAD.validate_python(await _json(request))
        except ValidationError as error:
            raise BadInput(sentences(error)) from error
        world = self._clock.catch_up()
        shape = Later(load.as_shape(Path.cwd()), world.now)
        world.set_demand(_service_key(request), shape)
        return _done()

    async def set_service(self, request: web.Request) -> web.Response:
        key = _service_key(request)
        parsed = await _parsed(ScenarioService, request, namespace=key.namespace, name=key.name)
        service, world = parsed.as_service(Path.cwd()), self._clock.catch_up()
        world.add_service(replace(service, demand=Later(service.demand, world.now)))
        return _done()

    async def place(self, request: web.Request) -> web.Response:
        key = _pod_key(request)
        pod = await _parsed(ScenarioPod, request, namespace=key.namespace, name=key.name)
        if not self._clock.catch_up().place(pod.as_pod()):
            raise BadInput(f"node {pod.node}: is unknown or has not {pod.npus} devices free")
        return _done()

    async def remove(self, request: web.Request) -> web.Response:
        self._clock.catch_up().remove(_pod_key(request))
        return _done()

    async def restart(self, request: web.Request) -> web.Response:
        world, key = self._clock.catch_up(), _pod_key(request)
        if key not in world.replicas:
            raise BadInput(f"pod {'/'.join(key)}: not known")
        world.restart_counters(key)
        return _done()

    def _set_faults(self, target: str | PodKey, faults: Faults) -> None:
        world = self._clock.catch_up()
        if target not in world.nodes and target not in world.replicas:
            raise BadInput(f"{target}: not known as a node or namespace/pod")
        world.set_faults(target, faults)


def _document(world: World, scale: float) -> dict[str, Any]:
    return {
        "seconds": world.now / 1_000,
        "scale": scale,
        "nodes": {
            node.name: {"product": node.product.name, "devices": node.devices}
            for node in world.nodes.values()
        },
        "pods": {
            "/".join(key): {
                "node": replica.pod.node,
                "devices": list(replica.devices),
                "ready": replica.pod.ready,
                "measured": replica.curve is not None,
                "perSecond": replica.rate / 1_000_000,
                "watts": replica.power.milliwatts / 1_000,
                "waiting": replica.queue / 10**9,
            }
            for key, replica in sorted(world.replicas.items())
        },
        "services": {
            "/".join(key): {
                "model": service.model,
                "demandPerSecond": service.demand.rate_at(world.now) / 1_000_000,
            }
            for key, service in sorted(world.services.items())
        },
    }


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise BadInput(f"body: is no JSON: {error}") from error


async def _parsed(model: type[_Model], request: web.Request, **known: str) -> _Model:
    body = await _json(request)
    if not isinstance(body, dict):
        raise BadInput("body: must be a JSON object")
    try:
        return model.model_validate({**body, **known})
    except ValidationError as error:
        raise BadInput(sentences(error)) from error


def _service_key(request: web.Request) -> ServiceKey:
    return ServiceKey(request.match_info["namespace"], request.match_info["service"])


def _pod_key(request: web.Request) -> PodKey:
    return PodKey(request.match_info["namespace"], request.match_info["pod"])


def _done() -> web.Response:
    return web.Response(status=204)
