"""Which templates the API server is asked about, and which not again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from builders import snapshot
from kwatt.cluster.client import Client
from kwatt.cluster.lease import NotLeading
from kwatt.reconciler.store import Store, Written, packed
from kwatt.reconciler.trigger import Trigger
from kwatt.reconciler.validation import Validator
from unit.cluster_io.conftest import Api, Say
from unit.observation import bodies


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    async with Client(api.configuration) as connected:
        yield connected


def written() -> Written:
    """Return a service as the store keeps it, of which nothing was said yet."""
    store = Store(Trigger())
    store.take("InferenceService", "ADDED", bodies.service())
    (one,) = store.own("InferenceService")
    return replace(one, packed=packed({}))


def changed(one: Written, **parts: Any) -> Written:
    """Return the next generation, in which these parts of the spec are others."""
    return replace(one, generation=one.generation + 1, spec={**one.spec, **parts})


async def asked(api: Api, validator: Validator, one: Written) -> int:
    """Let a generation be validated; return how many dry runs that took."""
    before = len(api.requests("PATCH"))
    await validator.validate([one], snapshot())
    return len(api.requests("PATCH")) - before


async def test_another_rate_is_no_other_template(api: Api, client: Client) -> None:
    api.script("PATCH", Say.json({}))
    validator, first = Validator(client, lambda: 0.0), written()

    assert await asked(api, validator, first) == 1
    assert await asked(api, validator, changed(first, throughput={"perSecond": 7})) == 0


@pytest.mark.parametrize(
    "parts",
    [
        {"template": {"spec": {"containers": [{"name": "server", "image": "another"}]}}},
        {"priorityClassName": "another"},
    ],
)
async def test_what_the_deployments_are_built_from_is_tried_again(
    api: Api, client: Client, parts: dict[str, Any]
) -> None:
    api.script("PATCH", Say.json({}))
    validator, first = Validator(client, lambda: 0.0), written()

    assert await asked(api, validator, first) == 1
    assert await asked(api, validator, changed(first, **parts)) == 1


async def test_a_refused_template_is_tried_again_with_its_next_generation(
    api: Api, client: Client
) -> None:
    api.script("PATCH", Say.failure(422, "no such field"))
    validator, first = Validator(client, lambda: 0.0), written()

    assert await asked(api, validator, first) == 1
    assert await asked(api, validator, changed(first, throughput={"perSecond": 7})) == 1
    assert await asked(api, validator, first) == 1


async def test_a_service_that_was_deleted_is_forgotten(api: Api, client: Client) -> None:
    api.script("PATCH", Say.json({}))
    validator, first = Validator(client, lambda: 0.0), written()

    assert await asked(api, validator, first) == 1
    await validator.validate([], snapshot())
    assert await asked(api, validator, changed(first, throughput={"perSecond": 7})) == 1


async def test_templates_whose_turn_comes_after_a_cut_of_a_cap_are_left_for_the_next_time(
    api: Api, client: Client
) -> None:
    api.script("PATCH", Say.json({}))
    validator, first = Validator(client, lambda: 0.0), written()

    assert not await validator.validate([first], snapshot(), lambda: False)

    assert (validator.complete, validator.verdicts, api.requests("PATCH")) == (False, {}, [])
    assert await asked(api, validator, first) == 1
    assert validator.complete


async def test_a_lease_that_is_about_to_end_says_nothing_about_a_template(api: Api) -> None:
    def refuse() -> None:
        raise NotLeading(0, "the lease ends in 3 s")

    async with Client(api.configuration, gate=refuse) as gated:
        validator = Validator(gated, lambda: 0.0)
        await validator.validate([written()], snapshot())

    assert (validator.complete, validator.verdicts) == (False, {})
