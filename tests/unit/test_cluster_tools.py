"""The pure parts of the local control plane's tooling: no network, no cluster."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from cluster import cluster, crds, nodes, tools

GO_MOD = """
module example
go 1.26.0
require k8s.io/kubernetes v1.36.3 // indirect
require (
	go.etcd.io/etcd/server/v3 v3.6.8
	github.com/Masterminds/semver/v3 v3.5.0-rc.1 // indirect
)
"""
DIGEST = "0f" * 32


class TestPins:
    def test_a_version_is_read_from_either_form_of_require(self) -> None:
        found = tools.versions(GO_MOD)

        assert found["k8s.io/kubernetes"] == "1.36.3"
        assert found["go.etcd.io/etcd/server/v3"] == "3.6.8"
        assert found["github.com/Masterminds/semver/v3"] == "3.5.0-rc.1"

    def test_every_program_is_pinned(self) -> None:
        pinned = tools.versions((tools.HERE / "go.mod").read_text())

        assert {program.module for program in tools.ALL} <= pinned.keys()

    def test_every_program_is_a_tool_of_the_module(self) -> None:
        go_mod = (tools.HERE / "go.mod").read_text()

        assert all(f"\t{program.package}\n" in go_mod for program in tools.ALL)

    def test_other_pins_have_another_place_in_the_cache(self, tmp_path: Path) -> None:
        (tmp_path / "go.mod").write_text(GO_MOD)
        (tmp_path / "go.sum").write_text("")

        before = tools.pins_hash(tmp_path)
        (tmp_path / "go.sum").write_text("changed")

        assert tools.pins_hash(tmp_path) != before

    def test_the_needed_compiler_is_read_from_the_module(self) -> None:
        assert tools.go_needed(GO_MOD) == (1, 26)

    def test_no_compiler_is_older_than_any(self) -> None:
        assert tools.go_version("/no/such/go") < (1, 0)


class TestCacheRoot:
    def test_the_folder_that_was_asked_for_comes_first(self) -> None:
        env = {"KWATT_CACHE": "/a", "XDG_CACHE_HOME": "/b"}

        assert tools.cache_root(env) == Path("/a")

    def test_the_users_cache_folder_comes_next(self) -> None:
        assert tools.cache_root({"XDG_CACHE_HOME": "/b"}) == Path("/b/kwatt")

    def test_a_program_that_cannot_be_run_is_absent(self, tmp_path: Path) -> None:
        present, useless = tools.CLUSTER[:2]
        (tmp_path / present.name).touch(0o755)
        (tmp_path / useless.name).touch(0o644)

        assert tools.absent(tmp_path, (present, useless)) == (useless,)


class TestFilled:
    def test_addresses_name_version_and_platform(self) -> None:
        (etcd,) = (program for program in tools.ALL if program.name == "etcd")

        filled = tools.filled(etcd, "3.6.8", "linux", "arm64")

        assert filled.asset.endswith("/v3.6.8/etcd-v3.6.8-linux-arm64.tar.gz")
        assert filled.member == "etcd-v3.6.8-linux-arm64/etcd"

    def test_kubernetes_programs_know_their_version(self) -> None:
        filled = tools.filled(tools.CLUSTER[0], "1.36.3", "linux", "amd64")

        assert "k8s.io/component-base/version.gitVersion=v1.36.3" in filled.variables
        assert "k8s.io/component-base/version.gitMinor=36" in filled.variables

    @pytest.mark.parametrize("program", tools.ALL, ids=lambda program: program.name)
    def test_nothing_is_left_to_fill(self, program: tools.Program) -> None:
        assert "{" not in str(tools.filled(program, "1.2.3", "linux", "amd64"))


class TestPublishedDigest:
    @pytest.mark.parametrize(
        "text",
        [
            DIGEST,
            f"{DIGEST}\n",
            f"{'ab' * 32}  other.tar.gz\n{DIGEST}  wanted.tar.gz\n",
            f"{DIGEST} *wanted.tar.gz\n",
            f'{{"assets": [{{"name": "wanted.tar.gz", "digest": "sha256:{DIGEST}"}}]}}',
        ],
    )
    def test_is_found_in_every_form(self, text: str) -> None:
        assert tools.published_sha256(text, "wanted.tar.gz") == DIGEST

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "not found",
            f"{DIGEST}  other.tar.gz",
            '{"assets": [{"name": "wanted.tar.gz", "digest": null}]}',
            '{"assets": []}',
        ],
    )
    def test_is_never_guessed(self, text: str) -> None:
        with pytest.raises(tools.Unavailable):
            tools.published_sha256(text, "wanted.tar.gz")


class TestDownload:
    """From files: urllib reads `file:` addresses like any other."""

    def test_takes_a_program_out_of_its_archive(self, tmp_path: Path) -> None:
        program = released(tmp_path, b"program")

        target = tools.download(program, tmp_path)

        assert target.read_bytes() == b"program"
        assert target.stat().st_mode & 0o111

    def test_refuses_what_differs_from_its_digest(self, tmp_path: Path) -> None:
        program = released(tmp_path, b"program")
        (tmp_path / "sums").write_text(f"{DIGEST}  program.tar.gz")

        with pytest.raises(tools.Unavailable, match="differs"):
            tools.download(program, tmp_path)

    def test_says_what_it_cannot_reach(self, tmp_path: Path) -> None:
        program = released(tmp_path, b"program")
        (tmp_path / "program.tar.gz").unlink()

        with pytest.raises(tools.Unavailable, match=r"program\.tar\.gz"):
            tools.download(program, tmp_path)

    def test_an_address_that_does_not_answer_is_not_reachable(self, tmp_path: Path) -> None:
        assert not tools.reachable((tmp_path / "absent").as_uri())


class TestConfiguration:
    def test_everything_listens_on_loopback(self) -> None:
        assert options()["bindAddress"] == "127.0.0.1"

    def test_every_program_is_named_so_that_none_is_downloaded(self) -> None:
        named = {Path(str(v)).name for k, v in options().items() if k.endswith("Binary")}

        assert named == {p.name for p in tools.CLUSTER} - {"kwokctl"}

    def test_the_stages_of_kwok_stay_built_in(self) -> None:
        assert "Stage" not in str(options()["enableCRDs"])

    def test_ports_are_distinct_and_not_taken(self) -> None:
        taken = set(cluster.PORT_RANGE) - set(range(20000, 20040))

        chosen = cluster.free_ports(taken)

        assert chosen.keys() == set(cluster.PORTS)
        assert len(set(chosen.values())) == len(cluster.PORTS)
        assert not taken & set(chosen.values())


class TestFolders:
    @pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "A", "a" * 41])
    def test_a_name_cannot_lead_elsewhere(self, name: str) -> None:
        with pytest.raises(cluster.ClusterError):
            cluster.folder_of(name)

    def test_a_folder_of_somebody_else_is_not_removed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KWATT_CLUSTERS", str(tmp_path))
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "thesis").touch()

        with pytest.raises(cluster.ClusterError):
            cluster.down("work")

        assert cluster.names() == ()
        assert (tmp_path / "work" / "thesis").exists()


class TestNode:
    def test_kwok_takes_it(self) -> None:
        assert nodes.node("n1")["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}

    def test_its_npus_are_free(self) -> None:
        status = nodes.node("n1", resources={"furiosa.ai/rngd": 8})["status"]

        assert status["allocatable"]["furiosa.ai/rngd"] == "8"
        assert status["allocatable"] == status["capacity"]

    def test_labels_of_the_caller_win(self) -> None:
        labels = {"kubernetes.io/hostname": "shared", "rack": "a1"}

        found = nodes.node("n1", labels)["metadata"]["labels"]

        assert found.items() >= labels.items()

    def test_taints_are_kept(self) -> None:
        taint = {"key": "npu", "value": "only", "effect": "NoSchedule"}

        assert nodes.node("n1", taints=[taint])["spec"] == {"taints": [taint]}


def options() -> dict[str, object]:
    """Return the options of a configuration with arbitrary ports."""
    ports = dict.fromkeys(cluster.PORTS, 1)
    found = cluster.configuration({}, ports, Path("/bin"))["options"]
    assert isinstance(found, dict)
    return found


def released(folder: Path, content: bytes) -> tools.Program:
    """Write an archive and its sums, return the program that is published there."""
    (folder / "content").write_bytes(content)
    with tarfile.open(folder / "program.tar.gz", "w:gz") as archive:
        archive.add(folder / "content", "released/program")
    digest = hashlib.sha256((folder / "program.tar.gz").read_bytes()).hexdigest()
    (folder / "sums").write_text(f"{digest}  program.tar.gz\n")
    asset, sums = (folder / "program.tar.gz").as_uri(), (folder / "sums").as_uri()
    return tools.Program("program", "", "", asset, sums, "released/program")


class TestCrds:
    """The CRDs of other projects: pinned apart, so that they do not move the programs in the cache."""

    def test_the_gateway_api_is_pinned_with_its_sum(self) -> None:
        pinned = tools.versions((crds.PINS / "go.mod").read_text())

        sums = (crds.PINS / "go.sum").read_text()
        assert f"{crds.MODULE} v{pinned[crds.MODULE]} h1:" in sums

    def test_its_pins_are_not_those_of_the_programs(self) -> None:
        assert tools.pins_hash(crds.PINS) != tools.pins_hash()

    def test_what_is_in_the_cache_is_not_obtained_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KWATT_CACHE", str(tmp_path))
        monkeypatch.setenv("PATH", "")
        cached = tmp_path / f"gateway-api-{tools.pins_hash(crds.PINS)}" / crds.HTTP_ROUTES
        cached.parent.mkdir()
        cached.touch()

        assert crds.http_routes_crd() == cached
