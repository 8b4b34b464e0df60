"""The whole of measuring: fake NPUs under load, the operator that reads them, Prometheus, and the dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.harness import Kubectl, eventually
from prometheus.city import city
from prometheus.queries import dashboard_queries, named

# It runs an operator of its own, with fake NPUs to read.
pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("stopped")]

# Shown only of budgets with enforcement Measured, of services that follow their demand or whose runtime
# counts arrivals in the profile's unit, and where an hour of measurement contradicts a profile.
# test_queries.py has them.
_RARE = {
    "kwatt_power_budget_withheld_watts",
    "kwatt_service_demand_units_per_second",
    "kwatt_service_followed_units_per_second",
    "kwatt_operating_point_corrected_watts",
}


def test_every_query_of_the_dashboard_has_a_result_while_fake_npus_work(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    waiting = {
        query.expression
        for query in dashboard_queries()
        if named(query.expression).isdisjoint(_RARE)
    }
    with city(kubectl.cluster, tmp_path) as (source, fakes):
        fakes.switch("a2-aries-1", watts="NaN")

        def answered() -> bool:
            waiting.difference_update([one for one in waiting if source.query(one)])
            assert not waiting
            return True

        eventually(answered, 120)
        assert [rule for rule in source.rules() if rule["health"] == "err"] == []
