"""Everything that KWatt builds, against golden pairs in tests/golden/manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unit.manifests import inputs
from unit.manifests.golden import GOLDEN, expect_pair

BUILT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "deployment-plain": inputs.deployment_of,
    "deployment-variant": inputs.deployment_of,
    "deployment-setting": inputs.deployment_of,
    "deployment-full": inputs.deployment_of,
    "service-ports": inputs.service_of,
    "service-two-containers": inputs.service_of,
    "service-port-name-twice": inputs.service_of,
    "service-headless": inputs.service_of,
    "service-of-a-variant": inputs.service_of,
    "route-plain": inputs.route_of,
    "route-two-variants": inputs.route_of,
    "release-first-selector": inputs.release_of,
    "release-selector": inputs.release_of,
    "release-by-name": inputs.release_of,
    "release-by-name-terms": inputs.release_of,
    "release-by-name-preferred": inputs.release_of,
    "release-by-name-pod-affinity": inputs.release_of,
    "share": inputs.share_of,
    "cost": inputs.cost_of,
}


@pytest.mark.parametrize("name", sorted(BUILT))
def test_what_is_built_is_the_golden_one(name: str) -> None:
    expect_pair(f"manifests/{name}.yaml", BUILT[name])


def test_every_golden_pair_is_compared() -> None:
    kept = {path.stem for path in (GOLDEN / "manifests").iterdir()}

    assert kept == set(BUILT)
