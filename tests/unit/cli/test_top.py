"""`kwatt top` and `kwatt explain`: what they print; golden files anew with KWATT_UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kwatt.cli import explain, top
from kwatt.cli.board import Board, board_text
from kwatt.cli.explanation import Subject
from kwatt.cli.explanation import explain as explained
from kwatt.cli.statuses import Fields
from kwatt.cli.text import Style, seen_width
from kwatt.errors import ClusterError, InvalidInput, Refused
from unit.cli.reports import PLAN
from unit.cli.statuses import (
    HAZARD,
    LOST,
    NEW,
    NODE,
    NOW,
    OVER,
    POD,
    RACK,
    TRAFFIC,
    cluster,
    lease,
)
from unit.observation import bodies

GOLDEN = Path(__file__).parents[2] / "golden" / "top"
ALL = (TRAFFIC, HAZARD, LOST, NEW)
BOARD = Board([Fields(RACK), Fields(OVER)], [Fields(one) for one in ALL], "in any namespace")
STYLES = {
    "wide": Style(width=150),
    "narrow": Style(width=80),
    "ascii": Style(width=120, unicode=False),
    "colour": Style(width=150, colour=True),
}
FORBIDDEN = Refused(403, "powerbudgets.kwatt.dev is forbidden")


def expect(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("KWATT_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STYLES)
def test_the_board_is_the_golden_one(name: str) -> None:
    expect(f"board-{name}.txt", board_text(BOARD, NOW, STYLES[name]))


@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_no_line_of_the_board_is_wider_than_the_terminal(width: int) -> None:
    lines = board_text(BOARD, NOW, Style(width=width)).splitlines()

    assert max(map(seen_width, lines)) <= width


def test_columns_stay_aligned_behind_korean_words() -> None:
    lines = board_text(BOARD, NOW, Style(width=150)).splitlines()
    head = next(line for line in lines if line.startswith("SERVICE"))
    korean = next(line for line in lines if "장/s" in line)

    end = seen_width(head[: head.index("RATE") + len("RATE")])
    assert seen_width(korean[: korean.index("장/s") + len("장/s")]) == end


def test_an_empty_cluster_is_told_in_sentences() -> None:
    text = board_text(Board([], [], "in the namespace city (-A shows all)"), NOW, Style())

    assert text == (
        "There is no PowerBudget: no cap holds.\n\n"
        "There is no InferenceService in the namespace city (-A shows all).\n"
    )


@pytest.mark.parametrize(
    ("name", "service"), [("traffic", TRAFFIC), ("hazard", HAZARD), ("lost", LOST), ("new", NEW)]
)
def test_the_explanation_is_the_golden_one(name: str, service: dict[str, Any]) -> None:
    subject = Subject(Fields(service), [Fields(RACK)])

    expect(f"explain-{name}.txt", explained(subject, NOW, Style(width=110)))


def test_what_the_planner_says_now_is_told() -> None:
    subject = Subject(Fields(HAZARD), None, "nodes can't be listed: forbidden", PLAN.unplaced[0])

    expect("explain-replanned.txt", explained(subject, NOW, Style(width=110)))


@pytest.mark.parametrize("junk", [{}, {"status": 7}, {"status": {"conditions": 3, "planned": []}}])
def test_no_status_breaks_it(junk: dict[str, Any]) -> None:
    service = {"metadata": {"namespace": "city", "name": "odd"}, **junk}
    board = Board([Fields(junk)], [Fields(service)], "")

    assert "city/odd" in board_text(board, NOW, Style())
    assert "city/odd" in explained(Subject(Fields(service)), NOW, Style())


class TestWhoLeads:
    """The line above the board while no operator leads."""

    @staticmethod
    def alarm(*found: dict[str, Any], **refused: ClusterError) -> str:
        listing = cluster(*ALL, RACK, *found, **refused)
        return top.read_board(listing, top.Scope(None, None), NOW).alarm

    @pytest.mark.parametrize("seconds", [-20, 0, 29])
    def test_nothing_is_said_while_one_leads_as_far_as_clocks_can_tell(self, seconds: int) -> None:
        assert self.alarm(lease(NOW - timedelta(seconds=seconds))) == ""

    def test_a_lease_that_is_not_renewed_any_more_is_told(self) -> None:
        told = self.alarm(lease(NOW - timedelta(minutes=3)))

        assert told.startswith(
            "No operator leads: the Lease kwatt-system/kwatt was last renewed 3 min ago."
        )

    def test_a_lease_that_was_given_back_is_told_at_once(self) -> None:
        told = self.alarm(lease(NOW - timedelta(seconds=2), holder="", seconds=1))

        assert "the last one gave the Lease kwatt-system/kwatt back 2 s ago" in told

    def test_a_lease_that_is_not_there_is_told_with_what_names_another(self) -> None:
        assert self.alarm() == (
            "No operator leads by the Lease kwatt-system/kwatt: it is not there; --lease names another."
        )

    @pytest.mark.parametrize("spec", [{}, {"holderIdentity": "x", "renewTime": 7}])
    def test_no_record_breaks_it(self, spec: dict[str, Any]) -> None:
        found = {**lease(NOW), "spec": spec}

        assert "an unknown time ago" in self.alarm(found)

    def test_a_lease_that_may_not_be_read_is_no_concern(self) -> None:
        assert self.alarm(lease=Refused(403, "leases is forbidden")) == ""

    def test_it_is_the_first_line_of_the_board(self, capsys: pytest.CaptureFixture[str]) -> None:
        top.main(["-A", "--lease", "elsewhere/other"], cluster(*ALL, RACK), _nobody)

        first = capsys.readouterr().out.splitlines()[0]
        assert first.startswith("No operator leads by the Lease elsewhere/other: it is not there")

    @pytest.mark.parametrize("text", ["kwatt", "/kwatt", "a/", "a/b/c"])
    def test_a_lease_without_its_namespace_is_refused(self, text: str) -> None:
        with pytest.raises(SystemExit):
            top.main(["--lease", text], cluster(), _nobody)


class TestCommands:
    """The commands as called, with a cluster that lists objects."""

    def test_top_prints_once_where_output_is_no_terminal(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = top.main([], cluster(*ALL, RACK), lambda _: "city-food")

        out = capsys.readouterr().out
        assert status == 0
        assert "\nnutrition " in out
        assert "traffic" not in out
        assert "\x1b" not in out

    def test_top_of_all_namespaces(self, capsys: pytest.CaptureFixture[str]) -> None:
        top.main(["-A"], cluster(*ALL, RACK), _nobody)

        assert "city-traffic/traffic" in capsys.readouterr().out

    def test_top_shows_services_to_those_who_may_not_list_budgets(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        top.main(["-n", "city-food"], cluster(*ALL, budgets=FORBIDDEN), _nobody)

        out = capsys.readouterr().out
        assert "\nnutrition " in out
        assert "PowerBudgets can't be listed: powerbudgets.kwatt.dev is forbidden" in out

    def test_top_fails_with_the_servers_words_without_services(self) -> None:
        with pytest.raises(Refused, match="forbidden"):
            top.main(["-A"], cluster(services=FORBIDDEN), _nobody)

    @pytest.mark.parametrize("interval", ["0", "nan", "x", "1e9"])
    def test_an_interval_that_is_none_is_refused(self, interval: str) -> None:
        with pytest.raises(SystemExit):
            top.main(["--interval", interval], cluster(), _nobody)

    def test_explain_names_the_budgets_over_its_nodes_only(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        listing = cluster(*ALL, RACK, OVER, NODE, POD)

        explain.main(["traffic", "-n", "city-traffic"], listing, _nobody, _unread)

        out = capsys.readouterr().out
        assert "rack-a1: " in out
        assert "row-a: " not in out

    def test_explain_says_what_it_may_not_read(self, capsys: pytest.CaptureFixture[str]) -> None:
        listing = cluster(*ALL, RACK, nodes=Refused(403, "nodes is forbidden"))

        explain.main(["city-traffic/traffic"], listing, _nobody, _unread)

        assert "can't be told: nodes can't be listed: nodes is forbidden" in capsys.readouterr().out

    def test_an_unknown_service_is_refused_with_near_names(self) -> None:
        with pytest.raises(InvalidInput, match=r"city-traffic/traffik; near it: traffic"):
            explain.main(["traffik"], cluster(*ALL), lambda _: "city-traffic", _unread)

    def test_explain_plans_anew_when_asked(self, capsys: pytest.CaptureFixture[str]) -> None:
        objects = [bodies.node("n1"), bodies.npu_class(), bodies.profile(), bodies.service()]
        key = "/".join(objects[-1]["metadata"][name] for name in ("namespace", "name"))
        shown = {**objects[-1], "status": TRAFFIC["status"]}

        explain.main([key, "--replan"], cluster(shown), _nobody, lambda _: objects)

        assert "It would be served in full, by 1 replica." in capsys.readouterr().out


def _nobody(_: str | None) -> str:
    raise AssertionError("the namespace of the context is not asked for")


def _unread(_: str | None) -> list[dict[str, Any]]:
    raise AssertionError("nothing is planned")
