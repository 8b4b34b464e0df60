"""From changes to requests: what is sent, under which key, and what needs not be sent at all."""

from __future__ import annotations

from dataclasses import replace

import builders as b
from kwatt.changes.values import Cost, Eviction, Release, Removal, ShareChange
from kwatt.cluster.writes import Apply, Claim, Delete, Evict, JsonPatch, MergePatch
from kwatt.manifests.deployments import Owner, desired_hash
from kwatt.manifests.services import build_service, read_service
from kwatt.model.keys import PodKey
from kwatt.reconciler.memo import Memo
from kwatt.reconciler.store import Written
from kwatt.reconciler.writes import (
    cost_writes,
    eviction_writes,
    rehearsals,
    release_writes,
    removal_writes,
    scale_writes,
    service_writes,
    share_writes,
)
from unit.reconciler.scenes import (
    KEY,
    NAME,
    SCALE,
    TEMPLATE,
    applied,
    own,
    scene,
    with_deployment,
    world,
)

POD = PodKey("city", "p")
PODS = "/api/v1/namespaces/city/pods/p"
DEPLOYMENT = f"/apis/apps/v1/namespaces/city/deployments/{NAME}"


def test_a_share_is_a_patch_of_the_node_status_whose_key_tells_lower_from_raise() -> None:
    change = ShareChange("n1", 100, 50, "42")

    (lower,), (rise,) = share_writes([change], "lower"), share_writes([change], "raise")

    assert isinstance(lower.write, MergePatch)
    assert lower.write.path == "/api/v1/nodes/n1/status"
    assert lower.key != rise.key


def test_deletions_and_evictions_are_of_this_very_object() -> None:
    (removal,) = removal_writes([Removal("city", NAME, "uid-d")])
    (eviction,) = eviction_writes([Eviction(POD, "uid-p", "planned on another node")])

    assert removal.write == Delete(DEPLOYMENT, "uid-d")
    assert eviction.write == Evict("city", "p", "uid-p")


def test_pods_are_patched_by_name() -> None:
    release = Release(POD, "uid-p", "7", "n1", "n1", has_node_selector=False, affinity_terms=None)

    (cost,) = cost_writes([Cost(POD, "uid-p", -1)])
    (released,) = release_writes(world(), [release])

    assert isinstance(cost.write, MergePatch)
    assert isinstance(released.write, JsonPatch)
    assert cost.write.path == released.write.path == PODS


def test_a_deployment_that_does_not_exist_is_claimed_with_the_env_of_its_setting() -> None:
    (request,) = scale_writes(scene(), [SCALE])

    assert isinstance(request.write, Claim)
    assert (request.write.path, request.write.owner_uid) == (DEPLOYMENT, "uid-traffic")
    (container,) = request.write.body["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "MAX_BATCH", "value": "8"}]


def test_a_deployment_that_is_as_it_should_be_is_not_written() -> None:
    assert scale_writes(scene(with_deployment(applied())), [SCALE]) == []


def test_a_deployment_is_written_again_if_its_size_hash_or_generation_differ() -> None:
    for other in (applied(replicas=3), applied(desired="old"), applied(generation=6)):
        edited = scene(with_deployment(other), generations={"uid-d": 5})

        (request,) = scale_writes(edited, [SCALE])

        assert isinstance(request.write, Apply)


def test_a_new_manifest_has_a_new_key_so_that_an_old_refusal_does_not_hold_it_back() -> None:
    other = {"spec": {"containers": [{"name": "server", "image": "yolo:2"}]}}

    (first,) = scale_writes(scene(), [SCALE])
    (second,) = scale_writes(scene(owner=own(spec={"template": other})), [SCALE])

    assert first.key != second.key
    assert first.key.service == second.key.service == KEY


def test_of_a_held_service_only_the_size_is_changed() -> None:
    held = [b.service(held="ModelProfile is gone")]
    larger = scene(with_deployment(applied(replicas=3), services=held), own(spec={}))

    (request,) = scale_writes(larger, [SCALE])

    assert request.write == MergePatch(
        DEPLOYMENT, {"metadata": {"uid": "uid-d"}, "spec": {"replicas": 2}}
    )


def test_of_replicas_that_serve_on_only_the_number_is_changed() -> None:
    leaving = replace(SCALE, replicas=1, only_resized=True)

    (request,) = scale_writes(scene(with_deployment(applied(replicas=3))), [leaving])

    assert request.write == MergePatch(
        DEPLOYMENT, {"metadata": {"uid": "uid-d"}, "spec": {"replicas": 1}}
    )


def test_a_held_service_without_a_deployment_gets_none() -> None:
    held = scene(world(services=[b.service(held="ModelProfile is gone")]), own(spec={}))

    assert scale_writes(held, [SCALE]) == []
    assert service_writes(held) == []


def test_a_service_that_was_deleted_while_it_was_planned_gets_nothing_new() -> None:
    deleted = replace(scene(), owners={})

    assert scale_writes(deleted, [SCALE]) == []
    assert service_writes(deleted) == []


def test_a_service_is_claimed_once_and_applied_where_it_differs() -> None:
    (claimed,) = service_writes(scene())
    body = claimed.write.body
    seen = read_service(body | {"metadata": body["metadata"] | {"uid": "uid-svc"}})
    other = scene(owner=own(spec={"template": {}}), services={("city", "traffic"): seen})

    assert isinstance(claimed.write, Claim)
    assert service_writes(scene(services={("city", "traffic"): seen})) == []
    assert isinstance(service_writes(other)[0].write, Apply)


def test_a_service_of_somebody_else_is_claimed_not_overwritten() -> None:
    (claimed,) = service_writes(scene())
    body = claimed.write.body
    metadata = body["metadata"] | {"uid": "uid-svc", "ownerReferences": []}
    strange = read_service(body | {"metadata": metadata})

    (request,) = service_writes(scene(services={("city", "traffic"): strange}))

    assert isinstance(request.write, Claim)


def test_the_moment_of_a_release_is_that_of_the_snapshot() -> None:
    release = Release(POD, "uid-p", "7", "n1", "n1", has_node_selector=False, affinity_terms=None)

    (request,) = release_writes(world(), [release])

    assert b.NOW.isoformat() in [op.get("value") for op in request.write.ops]


def test_every_template_is_rehearsed_with_all_that_kwatt_adds() -> None:
    override = {"spec": {"containers": [{"name": "server", "image": "yolo-rbln"}]}}
    spec = {"template": TEMPLATE, "variants": [{"npuClass": "atom", "template": override}]}

    common, on_atom = rehearsals(own(spec=spec), world())

    assert common["spec"]["replicas"] == on_atom["spec"]["replicas"] == 0
    images = [
        body["spec"]["template"]["spec"]["containers"][0].get("image") for body in (common, on_atom)
    ]
    assert images == [None, "yolo-rbln"]
    assert desired_hash(common) != desired_hash(on_atom)


def test_a_memo_of_hashes_hides_no_edit_of_a_template() -> None:
    hashes: Memo[str] = Memo()
    manifest = build_service(Owner("city", "traffic", "uid-traffic"), TEMPLATE)
    service = read_service({**manifest, "metadata": {**manifest["metadata"], "uid": "uid-s"}})
    facts = {"services": {("city", "traffic"): service}, "hashes": hashes}
    snapshot = with_deployment(applied())
    ports = {"spec": {"containers": [{"name": "server", "ports": [{"containerPort": 9000}]}]}}
    edited = own(spec={"template": ports}, generation=4)

    def asked(owner: Written) -> int:
        """Count what is asked for in one cycle."""
        hashes.turn()
        here = scene(snapshot, owner, **facts)
        return len([*scale_writes(here, [SCALE]), *service_writes(here)])

    assert [asked(one) for one in (own(), own(), edited, edited, own())] == [0, 0, 2, 2, 0]
