"""Every command of the quick start runs, in order, on a real control plane, in both languages.

Two commands are replaced, each by what shows the most of it here:

* `helm install`: no image is published, so Helm asks the real API server about all of it (`--dry-run=server`).
* `make run`: it runs until it is stopped, so the operator is started beside, with its own rights and no more.

The reader begins with a PATH that has kubectl and Helm but nothing of KWatt's, and a KUBECONFIG that leads
nowhere: what the page does not export is not there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chart import helm
from cluster import cluster as local
from cluster.cluster import Cluster
from docs.pages import DOCS, REPO, blocks
from e2e.harness import Operator

ENGLISH, KOREAN = DOCS / "quickstart.md", DOCS / "ko" / "quickstart.md"
KNOWN = {"sh", "console"}
EXPORT = re.compile(r"export (\w+)=")
ANSWERS = {
    "kubectl kwatt plan --set": 3,  # something is not placed
    'kubectl patch powerbudget rack-a1 --type=merge -p \'{"spec":{"watts":"2kW"}}\'': 1,  # refused
}
pytestmark = pytest.mark.cluster


class Reader:
    """Somebody who types what the page says, all of it in one terminal."""

    def __init__(self, clusters: Path) -> None:
        ours = Path(sys.executable).parent
        theirs = [p for p in os.environ["PATH"].split(os.pathsep) if Path(p) != ours]
        programs = helm.program("helm").removesuffix("/helm")
        self._env = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
        self._env |= {
            "PATH": os.pathsep.join([programs, *theirs]),
            "KUBECONFIG": str(clusters / "not-exported"),
            "KWATT_CLUSTERS": str(clusters),
            "PYTHON": sys.executable,  # the one of `make`
        }
        self.operator: Operator | None = None
        self.ran: list[str] = []

    def type(self, command: str) -> str:
        """Run one command, or what stands in for it here; return what it printed."""
        self.ran.append(command)
        if exported := EXPORT.match(command):
            name = exported[1]
            self._env[name] = self._run(f"{command}; printenv {name}").removesuffix("\n")
            return ""
        if command == "make run":
            self.operator = Operator(self._cluster(), "quickstart").start()
            return ""
        if command.startswith("helm install"):
            command = command.replace(" --wait", "") + " --dry-run=server"
        return self._run(command)

    def _cluster(self) -> Cluster:
        """Return the local control plane that is running, if that is what was exported."""
        running = local.up("dev")
        assert self._env["KUBECONFIG"] == str(running.kubeconfig)
        return running

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            env=self._env,
            cwd=REPO,
            capture_output=True,
            text=True,
            check=False,
        )
        expected = next((code for start, code in ANSWERS.items() if command.startswith(start)), 0)
        assert done.returncode == expected, f"{command}: {done.stdout}{done.stderr}{self._log()}"
        return done.stdout if EXPORT.match(command) else done.stdout + done.stderr

    def _log(self) -> str:
        return self.operator.text() if self.operator else ""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Lend a reader a folder of their own for the cluster of the page."""
    clusters = tmp_path_factory.mktemp("clusters")
    somebody = Reader(clusters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KWATT_CLUSTERS", str(clusters))
        yield somebody
        if somebody.operator is not None:
            somebody.operator.stop()
        local.down("dev")


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Return the commands of a page, in order, with the lines of output that it shows for each."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(page):
        for line in block.text.splitlines():
            if block.language == "sh":
                found.append((line, []))
            elif line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def shown(line: str, output: str) -> bool:
    """Tell whether a line of the output has the words of a line of the page in order, ages left out."""
    words = [word for word in line.split() if not re.fullmatch(r"\d+m?s", word)]
    return any(line in told or _in_order(words, told.split()) for told in output.splitlines())


def _in_order(words: list[str], told: list[str]) -> bool:
    left = iter(told)
    return all(word in left for word in words)


def test_what_is_printed_is_compared() -> None:
    printed = "NAME   READY  AGE\nassistant  True  7s"

    assert shown("assistant  True  4s", printed)
    assert not shown("assistant  False  4s", printed)
    assert not shown("5 of 5 services placed", "1 of 5 services placed")


def test_every_block_is_one_that_is_run() -> None:
    assert {block.language for page in (ENGLISH, KOREAN) for block in blocks(page)} == KNOWN


def test_both_languages_type_the_same() -> None:
    assert commands(KOREAN) == commands(ENGLISH)


def test_every_command_runs_and_prints_what_the_page_shows(reader: Reader) -> None:
    for command, lines in commands(ENGLISH):
        output = reader.type(command)
        assert [line for line in lines if not shown(line, output)] == [], f"{command}\n{output}"

    assert "make run" in reader.ran
    assert len(reader.ran) == len(commands(ENGLISH))
