"""Start and stop local Kubernetes clusters without containers: real programs, nodes simulated by KWOK.

A cluster is a folder below `root()`: all that it writes is in there, and its processes are those that
work in there. Everything listens on loopback, on random ports. It runs before any virtual environment
exists: standard library only. Progress goes to standard error.
"""

import argparse
import contextlib
import fcntl
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
# What the API server calls itself inside the cluster. Loopback is refused there, and the address of
# the machine may not exist: one from the range for documentation (RFC 5737) leads nowhere on purpose.
ADVERTISED = "192.0.2.1"
SERVICE_ADDRESSES = "10.96.0.0/12"
API_SERVER = "kube-apiserver"
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
COMPONENTS = ("etcd", API_SERVER, *CONTROLLERS, "kwok")
FILE_NAMES = {"kwok": "kwok-controller"}  # of kwokctl's logs and process ids, where they differ
PORTS = (
    "etcdPort",
    "etcdPeerPort",
    "kubeApiserverPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
)
PORT_RANGE = range(20000, 32000)  # below the ports that outgoing connections take by themselves
# Never `Stage`: with it in the list the built-in stages are not loaded and no node becomes Ready.
KWOK_CRDS = ("Metric", "ClusterResourceUsage")
READY_SECONDS = 90.0
GONE_SECONDS = 20.0
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
EMULATED = "KWATT_EMULATED_VERSION"  # of a new cluster
CONFIG = "config.json"
CHOICES = "choices.json"


class ClusterError(Exception):
    """A cluster cannot do what was asked; the message is a sentence."""


class Cluster(NamedTuple):
    """A cluster that is ready."""

    name: str
    kubeconfig: Path
    url: str
    bin: Path


def up(name: str, *, audit_policy: Path | None = None, disable_qps_limits: bool = False) -> Cluster:
    """Start a cluster, or return the one of that name and these choices that is ready already.

    What is left of a broken one of that name is replaced.
    """
    folder = _own(folder_of(name))
    choices = {
        "kubeAuditPolicy": str(audit_policy.resolve(strict=True)) if audit_policy else "",
        "disableQPSLimits": disable_qps_limits,
        EMULATED: os.environ.get(EMULATED, ""),
    }
    programs = tool_folder()
    root().mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    with _locked(folder):
        if running := _running(folder, choices, programs):
            return running
        _stop(folder, COMPONENTS)
        try:
            return _create(folder, choices, programs)
        except BaseException:
            down(name)
            raise


def down(name: str) -> None:
    """Stop the processes of a cluster and remove its folder; nothing happens where there is none."""
    folder = _own(folder_of(name))
    _stop(folder, (*COMPONENTS, "kwokctl"))
    if folder.exists():
        _clear(folder)
        shutil.rmtree(folder)
    with contextlib.suppress(OSError):  # other clusters, or no folder at all
        root().rmdir()


@contextlib.contextmanager
def cluster(name: str = "", *, audit_policy: Path | None = None) -> Iterator[Cluster]:
    """Run a cluster of its own for the length of a block."""
    name = name or f"test-{secrets.token_hex(4)}"
    if folder_of(name).exists():
        raise ClusterError(
            f"Cluster {name} exists already; take another name or bring it down first."
        )
    try:
        yield up(name, audit_policy=audit_policy)
    finally:
        down(name)


def names() -> tuple[str, ...]:
    """Return the clusters that have a folder or a process, also those that a crashed run left."""
    folders = {p.name for p in root().iterdir() if _is_own(p)} if root().exists() else set()
    working = {place.relative_to(root()).parts[0] for _, place, _ in _processes(root())}
    return tuple(sorted(folders | working))


def stop_apiserver(name: str) -> None:
    """Kill the API server and nothing else, as a crash would."""
    _stop(_existing(name), (API_SERVER,))


def start_apiserver(name: str) -> Cluster:
    """Start the API server again with its old arguments, and its impatient clients afresh.

    They would come back by themselves, but up to a minute later: their pauses grow. Only kwok stays
    as it is: another one would wait for the leases of the first and give its pod addresses out again.
    """
    folder, programs = _existing(name), tool_folder()
    _stop(folder, CONTROLLERS)
    for program in set(COMPONENTS) - _alive(folder):
        # kwokctl would take a dead process that nobody reaped, or another one of that id, for it.
        _file(folder, "pids", f"{FILE_NAMES.get(program, program)}.pid").unlink(missing_ok=True)
    _kwokctl(folder, programs, "start", "cluster", "--name", name)
    return _wait_ready(folder, programs)


def root(env: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of all clusters of this user."""
    fallback = Path(tempfile.gettempdir()) / f"kwatt-clusters-{os.getuid()}"
    return Path(env.get("KWATT_CLUSTERS") or fallback).absolute()


def folder_of(name: str) -> Path:
    """Return the folder of a cluster."""
    if not NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} is no name for a cluster: lower-case letters, digits, hyphens, at most 40."
        )
    return root() / name


def tool_folder() -> Path:
    """Return the folder of the programs, after putting there what is missing."""
    # A process of its own, so that this module can be imported under any name.
    command = [sys.executable, str(Path(__file__).with_name("tools.py")), "ensure"]
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        raise ClusterError("The programs of a control plane are absent; tools.py says why above.")
    return Path(result.stdout.strip())


def configuration(
    choices: Mapping[str, object], ports: Mapping[str, int], programs: Path
) -> dict[str, object]:
    """Return what kwokctl is told; every program is named, so that it downloads nothing."""
    binaries = {
        "etcdBinary": "etcd",
        "kubeApiserverBinary": API_SERVER,
        "kubeControllerManagerBinary": "kube-controller-manager",
        "kubeSchedulerBinary": "kube-scheduler",
        "kubectlBinary": "kubectl",
        "kwokControllerBinary": "kwok",
    }
    options = {
        **{key: str(programs / program) for key, program in binaries.items()},
        "runtime": "binary",
        "bindAddress": LOOPBACK,
        "enableCRDs": list(KWOK_CRDS),
        **ports,
        **{name: choice for name, choice in choices.items() if name != EMULATED},
    }
    # Without election they wait for a lost API server; with it they would exit after ten seconds.
    alone = ("leader-elect", "false")
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": options,
        "componentsPatches": [
            _extra_argument(
                "etcd", "unsafe-no-fsync", "true"
            ),  # only a power cut could lose anything
            _extra_argument(API_SERVER, "advertise-address", ADVERTISED),
            # The default has room for 254 Services; the 255th would be refused with a 500.
            _extra_argument(API_SERVER, "service-cluster-ip-range", SERVICE_ADDRESSES),
            _extra_argument("kube-controller-manager", *alone),
            # Each controller under an account of its own, as elsewhere: not as an administrator.
            _extra_argument("kube-controller-manager", "use-service-account-credentials", "true"),
            _extra_argument("kube-scheduler", *alone),
            *_emulating(str(choices.get(EMULATED, ""))),
        ],
    }


def free_ports(taken: Iterable[int]) -> dict[str, int]:
    """Choose a random port for every purpose, none of them taken by another cluster or program."""
    shunned = set(taken)
    candidates = random.sample(PORT_RANGE, len(PORT_RANGE))
    free = (port for port in candidates if port not in shunned and _bindable(port))
    return dict(zip(PORTS, free, strict=False))


def _running(folder: Path, choices: Mapping[str, object], programs: Path) -> Cluster | None:
    if not (folder / CHOICES).exists() or not _alive(folder).issuperset(COMPONENTS):
        return None
    found = _described(folder, programs)
    if not _ready(found):
        return None
    if _read(folder / CHOICES) != choices:
        raise ClusterError(f"Cluster {folder.name} runs with other options; bring it down first.")
    return found


def _create(folder: Path, choices: Mapping[str, object], programs: Path) -> Cluster:
    _clear(folder)
    with _locked(root()):  # two clusters that start together must not choose the same port
        config = configuration(choices, free_ports(_taken_ports()), programs)
        (folder / CONFIG).write_text(json.dumps(config, indent=1))
    kubeconfig = folder / "kubeconfig"
    create = ("create", "cluster", "--name", folder.name, "--kubeconfig", str(kubeconfig))
    _kwokctl(folder, programs, *create, "--config", str(folder / CONFIG))
    flat = _kubectl(kubeconfig, programs, "config", "view", "--raw", "--flatten")
    kubeconfig.write_text(flat.stdout)
    kubeconfig.chmod(0o600)
    ready = _wait_ready(folder, programs)
    (folder / CHOICES).write_text(json.dumps(choices))
    return ready


def _clear(folder: Path) -> None:
    """Empty the folder but for its configuration: an interrupted removal can still be told by it."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != CONFIG:
            path.unlink()


def _is_own(folder: Path) -> bool:
    return folder.is_dir() and ((folder / CONFIG).exists() or not any(folder.iterdir()))


def _own(folder: Path) -> Path:
    if folder.exists() and not _is_own(folder):
        raise ClusterError(f"{folder} is no folder of a cluster; is KWATT_CLUSTERS right?")
    return folder


def _existing(name: str) -> Path:
    if not (folder_of(name) / CONFIG).exists():
        raise ClusterError(f"There is no cluster {name}.")
    return folder_of(name)


def _described(folder: Path, programs: Path) -> Cluster:
    port = _ports(folder / CONFIG)["kubeApiserverPort"]
    return Cluster(folder.name, folder / "kubeconfig", f"https://{LOOPBACK}:{port}", programs)


def _wait_ready(folder: Path, programs: Path) -> Cluster:
    starting = _described(folder, programs)
    if not _wait(lambda: _ready(starting), READY_SECONDS):
        dead = sorted(set(COMPONENTS) - _alive(folder))
        last_words = [f"{program}: {_last_log_line(folder, program)}" for program in dead]
        sentence = f"Cluster {folder.name} is not ready after {READY_SECONDS:.0f} s"
        raise ClusterError("; ".join([sentence, *last_words]))
    return starting


def _ready(found: Cluster) -> bool:
    """Ask what a first user needs: the API, and the account that the controllers make for pods."""
    questions = (("get", "--raw", "/readyz"), ("get", "serviceaccount", "default", "-n", "default"))
    return all(_kubectl(found.kubeconfig, found.bin, *q).returncode == 0 for q in questions)


def _kwokctl(folder: Path, programs: Path, *arguments: str) -> None:
    env = {
        "PATH": f"{programs}:{os.defpath}",
        "HOME": str(folder),  # the user's may not be writable, and is none of kwokctl's business
        "TMPDIR": tempfile.gettempdir(),
        "KWOK_WORKDIR": str(folder),
    }
    command = [str(programs / "kwokctl"), *arguments]
    result = _run(command, folder, env)
    if result.returncode:
        raise ClusterError(f"kwokctl {' '.join(arguments[:2])} failed: {result.stderr.strip()}")


def _kubectl(kubeconfig: Path, programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"HOME": str(kubeconfig.parent), "KUBECONFIG": str(kubeconfig)}
    command = [str(programs / "kubectl"), "--request-timeout=5s", *arguments]
    return _run(command, Path("/"), env)


def _run(
    command: Sequence[str], place: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, cwd=place, env=env, capture_output=True, text=True)


def _processes(
    place: Path, programs: Sequence[str] = (*COMPONENTS, "kwokctl")
) -> Iterator[tuple[str, Path, int]]:
    """Yield program, working folder and process id of what works in a folder, even a removed one."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or not ours
            program = (entry / "exe").readlink().name.removesuffix(" (deleted)")
            working = Path(str((entry / "cwd").readlink()).removesuffix(" (deleted)"))
            if program in programs and working.is_relative_to(place):
                yield program, working, int(entry.name)


def _stop(folder: Path, programs: Sequence[str]) -> None:
    def gone() -> bool:
        left = [process for _, _, process in _processes(folder, programs)]
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not left

    if not _wait(gone, GONE_SECONDS):
        raise ClusterError(f"Some processes of cluster {folder.name} do not end.")


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _taken_ports() -> set[int]:
    return {port for path in root().glob(f"*/{CONFIG}") for port in _ports(path).values()}


def _ports(config: Path) -> dict[str, int]:
    with contextlib.suppress(OSError, ValueError):  # removed or still being written
        options = json.loads(config.read_text())["options"]
        return {purpose: int(options[purpose]) for purpose in PORTS}
    return {}


def _bindable(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind((LOOPBACK, port))
        return True
    return False


def _emulating(version: str) -> list[dict[str, object]]:
    """Let every program serve and do no more than an older Kubernetes did, as 1.34; "" as it is."""
    programs = (API_SERVER, *CONTROLLERS) if version else ()
    return [_extra_argument(program, "emulated-version", version) for program in programs]


def _extra_argument(component: str, key: str, value: str) -> dict[str, object]:
    return {"name": component, "extraArgs": [{"key": key, "value": value}]}


def _alive(folder: Path) -> set[str]:
    return {program for program, _, _ in _processes(folder)}


def _file(folder: Path, *names: str) -> Path:
    return folder.joinpath("clusters", folder.name, *names)


def _last_log_line(folder: Path, program: str) -> str:
    with contextlib.suppress(OSError, IndexError):
        log = _file(folder, "logs", f"{FILE_NAMES.get(program, program)}.log")
        return log.read_text(errors="replace").splitlines()[-1]
    return "no log"


def _read(path: Path) -> object:
    return json.loads(path.read_text())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise ClusterError(f"{folder} belongs to another user.")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _up(chosen: argparse.Namespace) -> None:
    start = time.monotonic()
    policy, unlimited = chosen.audit_policy, chosen.disable_qps_limits
    ready = up(chosen.name, audit_policy=policy, disable_qps_limits=unlimited)
    _say(f"Cluster {ready.name} is ready at {ready.url} after {time.monotonic() - start:.1f} s.")
    print(ready.kubeconfig)


def _down(chosen: argparse.Namespace) -> None:
    if not chosen.all and not chosen.name:
        raise ClusterError("Say which cluster, or --all.")
    for name in names() if chosen.all else (chosen.name,):
        down(name)
        _say(f"Cluster {name} is gone.")


def _list(_: argparse.Namespace) -> None:
    for name in names():
        alive = ",".join(sorted(_alive(folder_of(name)))) or "stopped"
        print(name, folder_of(name) / "kubeconfig", alive, sep="\t")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Local Kubernetes clusters without containers.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("up", help="start a cluster, print its KUBECONFIG")
    command.add_argument("--name", default="kwatt")
    command.add_argument("--audit-policy", type=Path, metavar="FILE")
    command.add_argument("--disable-qps-limits", action="store_true")
    command.set_defaults(run=_up)
    command = commands.add_parser("down", help="stop clusters and remove every trace of them")
    command.add_argument("name", nargs="?")
    command.add_argument("--all", action="store_true")
    command.set_defaults(run=_down)
    commands.add_parser("list", help="print name, KUBECONFIG and programs alive").set_defaults(
        run=_list
    )
    for verb, act in (("stop-apiserver", stop_apiserver), ("start-apiserver", start_apiserver)):
        command = commands.add_parser(verb, help="for tests of faults")
        command.add_argument("name")
        command.set_defaults(run=lambda chosen, act=act: act(chosen.name))
    return parser


def main() -> int:
    """Run the command line."""
    chosen = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # so that half a cluster is removed
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        chosen.run(chosen)
    except (ClusterError, OSError) as error:
        _say(f"cluster: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
