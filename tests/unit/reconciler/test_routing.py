"""From splits to requests: HTTPRoutes and Services of variants, none where all is as it should be."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import builders as b
from kwatt.changes.splits import Split
from kwatt.cluster.writes import Apply, Claim, Delete
from kwatt.manifests.deployments import Owner, deployment_name
from kwatt.manifests.routes import OwnedRoute, read_route
from kwatt.manifests.services import OwnedService, build_variant_service, read_service
from kwatt.model.keys import ServiceKey, Variant
from kwatt.reconciler.routing import Routing, routing_writes
from kwatt.reconciler.store import Written
from kwatt.reconciler.writes import Scene
from unit.reconciler.scenes import KEY, TEMPLATE, own, scene, world

ONE, TWO = b.variant(), b.variant(npus=2)
FIRST, SECOND = deployment_name("traffic", ONE), deployment_name("traffic", TWO)
ROUTE = {"gateway": {"name": "public"}}
HALVES = Split(KEY, ((ONE, 500), (TWO, 500)))
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/city/httproutes/traffic"
SERVICES = "/api/v1/namespaces/city/services"


def routed(**spec: Any) -> Written:
    """Make the service with a route."""
    return own(spec={"template": TEMPLATE, "route": ROUTE, **spec})


def seen(route: OwnedRoute | None = None, *services: OwnedService, **facts: Any) -> Scene:
    """Make a scene of the routed service, with what there is of routes and Services."""
    defaults: dict[str, Any] = {
        "snapshot": world(services=[b.service(mixes=True)]),
        "owner": routed(),
        "services": {(one.namespace, one.name): one for one in services},
        "routes": {ServiceKey(route.namespace, route.name): route} if route else {},
    }
    return scene(**(defaults | facts))


def applied(split: Split = HALVES, **body: Any) -> OwnedRoute:
    """Return the HTTPRoute as the API server has it after KWatt wrote it."""
    routing = routing_writes(seen(), [split])
    (request,) = (*routing.drain, *routing.routes)
    manifest = deepcopy(request.write.body)
    manifest["metadata"] |= {"uid": "uid-r", "generation": 4}
    manifest["spec"] |= body
    return read_route(manifest)


def service_of(variant: Variant) -> OwnedService:
    """Return the Service of a variant as the API server has it."""
    manifest = build_variant_service(Owner("city", "traffic", "uid-traffic"), variant, TEMPLATE)
    manifest["metadata"]["uid"] = f"uid-{variant.npus}"
    return read_service(manifest)


BOTH = service_of(ONE), service_of(TWO)


def nothing() -> Routing:
    return Routing([], [], [], [])


def backends(request: Any) -> dict[str, int]:
    (rule,) = request.write.body["spec"]["rules"]
    return {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}


def test_a_new_route_and_the_services_behind_it_are_claimed() -> None:
    routing = routing_writes(seen(), [HALVES])

    (route,) = routing.routes
    assert isinstance(route.write, Claim)
    assert (route.write.path, route.write.owner_uid) == (ROUTES, "uid-traffic")
    assert backends(route) == {FIRST: 500, SECOND: 500}
    paths = [request.write.path for request in routing.services]
    assert paths == [f"{SERVICES}/{FIRST}", f"{SERVICES}/{SECOND}"]
    assert (routing.drain, routing.remove) == ([], [])


def test_what_is_as_it_should_be_is_not_written() -> None:
    assert routing_writes(seen(applied(), *BOTH), [HALVES]) == nothing()


def test_without_routed_services_nothing_is_written() -> None:
    assert routing_writes(scene(), []) == nothing()


def test_the_port_is_the_one_that_was_asked_for_else_the_first() -> None:
    two = [{"containerPort": 8000}, {"containerPort": 9000}]
    template = {"spec": {"containers": [{"name": "server", "ports": two}]}}
    plain, asked = (
        routed(template=template),
        routed(template=template, route=ROUTE | {"port": 9000}),
    )

    ports = [
        routing_writes(seen(owner=owner), [HALVES]).routes[0].write.body["spec"]["rules"][0]
        for owner in (plain, asked)
    ]

    assert [rule["backendRefs"][0]["port"] for rule in ports] == [8000, 9000]


def test_a_weight_that_falls_to_nothing_is_written_before_pods_go() -> None:
    routing = routing_writes(seen(applied(), *BOTH), [Split(KEY, ((TWO, 1000),))])

    (drain,) = routing.drain
    assert isinstance(drain.write, Apply)
    assert backends(drain) == {SECOND: 1000}
    assert (routing.routes, routing.remove) == ([], [])


def test_a_weight_that_grows_is_written_after_pods_came() -> None:
    former = applied(Split(KEY, ((ONE, 1000), (TWO, 0))))

    routing = routing_writes(seen(former, *BOTH), [HALVES])

    assert [backends(request) for request in routing.routes] == [{FIRST: 500, SECOND: 500}]
    assert routing.drain == []


def test_an_edit_by_hand_is_put_back() -> None:
    for edit in ({"hostnames": ["a.example.com"], "parentRefs": []}, {"rules": []}):
        (request,) = routing_writes(seen(applied(**edit), *BOTH), [HALVES]).routes

        assert isinstance(request.write, Apply)


def test_another_host_name_is_written_although_the_former_covers_it() -> None:
    before = applied(hostnames=["a.example.com"])
    owner = routed(route=ROUTE | {"hostnames": ["a.example.com"]})

    assert routing_writes(seen(before, *BOTH, owner=owner), [HALVES]).routes != []


def test_who_edits_every_write_does_not_make_it_endless() -> None:
    edited = applied(rules=[])

    assert routing_writes(seen(edited, *BOTH, generations={"uid-r": 4}), [HALVES]) == nothing()


def test_a_route_of_somebody_else_is_claimed_not_overwritten() -> None:
    strange = replace(applied(), owner_uid="")

    (request,) = routing_writes(seen(strange, *BOTH), [HALVES]).routes

    assert isinstance(request.write, Claim)


def test_a_service_that_is_not_placed_keeps_its_host_names() -> None:
    (request,) = routing_writes(seen(), [Split(KEY, ())]).routes

    assert backends(request) == {"traffic": 1000}


def test_a_service_of_a_variant_goes_once_no_route_names_it() -> None:
    one = Split(KEY, ((ONE, 1000),))

    still_named = routing_writes(seen(applied(), *BOTH), [one])
    unnamed = routing_writes(seen(applied(one), *BOTH), [one])

    assert still_named.remove == []
    assert [request.write for request in unnamed.remove] == [
        Delete(f"{SERVICES}/{SECOND}", "uid-2")
    ]


def test_a_route_that_is_not_asked_for_any_more_goes_before_its_services() -> None:
    unrouted = {"snapshot": world(), "owner": own()}

    first = routing_writes(seen(applied(), *BOTH, **unrouted), [])
    then = routing_writes(seen(None, *BOTH, **unrouted), [])

    assert [request.write for request in first.remove] == [Delete(ROUTES, "uid-r")]
    assert [type(request.write) for request in then.remove] == [Delete, Delete]


def test_a_service_that_is_held_keeps_its_route_and_services() -> None:
    held = world(services=[b.service(mixes=True, held="spec.model: does not exist")])

    assert routing_writes(seen(applied(), *BOTH, snapshot=held), []) == nothing()


def test_what_belongs_to_nobody_known_is_left_to_the_garbage_collector() -> None:
    gone = seen(applied(), *BOTH, snapshot=world(services=[]), owners={})

    assert routing_writes(gone, []) == nothing()


def test_a_spec_that_changed_since_it_was_planned_waits_for_the_next_cycle() -> None:
    silent = {"spec": {"containers": [{"name": "server"}]}}

    for owner in (own(), routed(template=silent)):
        assert routing_writes(seen(owner=owner), [HALVES]) == nothing()
    assert routing_writes(seen(owners={}), [HALVES]) == nothing()


def test_the_one_service_over_all_is_never_removed() -> None:
    over_all = OwnedService("city", "traffic", "uid-all", "uid-traffic", "")

    assert routing_writes(seen(None, over_all, snapshot=world()), []).remove == []
