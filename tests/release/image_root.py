"""Put together the root file system of the image: the interpreter, what it loads, and KWatt.

No shell, no package manager. Runs inside the image's build, on any base with `ldd`; standard library only.

    python image_root.py PACKAGES ROOT

Leaves out what nothing asks for: tests, the parts of the standard library for people at a terminal, and of
the package `kubernetes` the generated half for typed calls (the operator sends plain dicts).
"""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import sbom

USER = 65532
COMMANDS = ("kwatt.cli.run", "kwatt.cli.plan", "kwatt.cluster.reading")
FOR_PEOPLE = (
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "venv"),
    *("site-packages", "dist-packages", "__pycache__"),
)
GENERATED = ("kubernetes/client", "kubernetes/aio/client")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def main() -> None:
    """Fill ROOT from the running interpreter and PACKAGES, which keeps its place in it."""
    packages, root = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = imported(packages)
    leave_out(packages, wanted)
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    lay_out(root)
    copy(python, root)
    copy_tree(stdlib, root, FOR_PEOPLE, r"config-.*|.*\.a|(readline|_curses.*|_dbm|_gdbm)\..*")
    copy_tree(packages, root, ("__pycache__",), r".*\.pyi|.*\.pxd|.*\.pyx")
    link(root / "usr/bin/python3", python)
    libraries = sorted(loaded([python, *below(root, stdlib), *below(root, packages)], packages))
    for library in libraries:
        copy(library, root)
    index(root)
    compile_all(root, [Path(name) for name in wanted])
    write_bill(root, packages, [str(python), *map(str, libraries)])


def imported(packages: Path) -> list[str]:
    """Return the files of all modules that the commands import."""
    ask = (
        f"import json, sys, {', '.join(COMMANDS)}\n"
        "files = {getattr(m, '__file__', None) for m in list(sys.modules.values())}\n"
        "print(json.dumps(sorted(f for f in files if f and f.endswith('.py'))))"
    )
    env = {**os.environ, "PYTHONPATH": str(packages)}
    told = subprocess.run([sys.executable, "-c", ask], env=env, check=True, capture_output=True)
    return list(json.loads(told.stdout))


def leave_out(packages: Path, wanted: Iterable[str]) -> None:
    """Delete tests, and generated modules that nobody imported."""
    for folder in [path for path in packages.rglob("tests") if path.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)
    kept = set(wanted)
    for folder in GENERATED:
        for part in ("api", "models"):
            for file in (packages / folder / part).glob("*.py"):
                if str(file) not in kept and file.name != "__init__.py":
                    file.unlink()


def lay_out(root: Path) -> None:
    """Make the folders, links and accounts that every program expects."""
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "etc/ssl/certs", "tmp", "usr/share/sbom"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/passwd").write_text(
        f"root:x:0:0:root:/:/nonexistent\nkwatt:x:{USER}:{USER}::/tmp:/nonexistent\n"
    )
    (root / "etc/group").write_text(f"root:x:0:\nkwatt:x:{USER}:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    for file in (CERTIFICATES, Path("/etc/os-release")):
        if file.exists():
            shutil.copyfile(file, root / file.relative_to("/"))


def copy(file: Path, root: Path) -> None:
    """Copy a file to its place, through the links of its folder."""
    target = root / file.parent.resolve().relative_to("/") / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)


def copy_tree(folder: Path, root: Path, names: Iterable[str], pattern: str) -> None:
    """Copy a folder to its place without what names or pattern match; equal neighbours become links."""
    unwanted, left = re.compile(pattern), set(names)

    def ignore(_: str, entries: list[str]) -> list[str]:
        return [entry for entry in entries if entry in left or unwanted.fullmatch(entry)]

    target = root / folder.relative_to("/")
    shutil.copytree(folder, target, ignore=ignore, dirs_exist_ok=True)
    for library in sorted(target.rglob("*.so.*")):
        short = library.with_name(re.sub(r"(\.so\.\d+)\..*", r"\1", library.name))
        if short != library and short.is_file() and short.read_bytes() == library.read_bytes():
            short.unlink()
            short.symlink_to(library.name)


def link(path: Path, target: Path) -> None:
    """Make a link, unless something is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and not path.is_symlink():
        path.symlink_to(target)


def below(root: Path, folder: Path) -> Iterator[Path]:
    """Return the shared objects of a folder, by their names in the running system."""
    for path in (root / folder.relative_to("/")).rglob("*.so*"):
        yield Path("/") / path.relative_to(root)


def loaded(programs: Iterable[Path], packages: Path) -> set[Path]:
    """Return the libraries that the programs load, those of the packages themselves left out."""
    found: set[Path] = {*Path("/usr/lib").glob("*-linux-gnu/libgcc_s.so.1")}  # threads load it late
    for program in programs:
        told = subprocess.run(["ldd", str(program)], check=False, capture_output=True, text=True)
        found |= {Path(name) for name in re.findall(r"(/\S+) \(0x", told.stdout)}
    return {path for path in found if packages not in path.parents}


def index(root: Path) -> None:
    """Write the loader's index: public Python images keep libpython outside its default folders."""
    for name in ("etc/ld.so.conf", "etc/ld.so.conf.d"):
        source, target = Path("/") / name, root / name
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copyfile(source, target)
    subprocess.run(["ldconfig", "-r", str(root)], check=True)
    shutil.rmtree(root / "var", ignore_errors=True)  # its own cache, with times in it


def compile_all(root: Path, files: Iterable[Path]) -> None:
    """Compile what is imported; nothing changes it in a read-only image, so nothing checks it there."""
    for file in files:
        place = root / file.relative_to("/")
        if place.exists():
            compileall.compile_file(
                place,
                ddir=str(file.parent),
                quiet=1,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )


def write_bill(root: Path, packages: Path, files: list[str]) -> None:
    """Write what the image is made of."""
    version = re.findall(r'__version__ = "(.+)"', (packages / "kwatt/__init__.py").read_text())[0]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    text = json.dumps(sbom.bill(str(packages), version, files, epoch=epoch), indent=1)
    (root / "usr/share/sbom/kwatt.cdx.json").write_text(text)


if __name__ == "__main__":
    main()
