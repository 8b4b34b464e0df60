"""All instances by name, and their export as manifests.

python tests/bench/planner/instances.py list
python tests/bench/planner/instances.py export 1kx10x1k-loose-30 --seed 1 > instance.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

_TESTS = str(Path(__file__).resolve().parents[2])
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)

from bench.planner.fleet import LOOSE, TIGHT, Caps  # noqa: E402
from bench.planner.manifests import manifests_of  # noqa: E402
from bench.planner.openb import openb  # noqa: E402
from bench.planner.synthetic import SHAPES, Shape, synthetic  # noqa: E402
from kwatt.model.snapshot import Budget, Snapshot  # noqa: E402

Make = Callable[[int], Snapshot]  # from a seed
LOADS: Final = (0.2, 0.3, 0.4)
CAPS: Final = {"loose": LOOSE, "tight": TIGHT}
OPENB_PERCENT: Final = (30, 60, 100)


def instances() -> dict[str, Make]:
    """Return every instance by its name: what makes it from a seed."""
    found: dict[str, Make] = {}
    for percent in OPENB_PERCENT:
        found[f"openb-{percent}"] = partial(openb, percent)
        found[f"openb-npus-{percent}"] = partial(openb, percent, hosts=False)
    for shape, (word, caps), load in _combinations():
        sized = replace(shape, load=load, caps=caps)
        found[f"{shape.name}-{word}-{round(100 * load)}"] = partial(synthetic, sized)
    return found


def instance(name: str, seed: int) -> Snapshot:
    """Return an instance; `-idle` behind its name lets empty nodes draw their idle watts."""
    stem, always_on = (name.removesuffix("-idle"), name.endswith("-idle"))
    snapshot = instances()[stem](seed)
    return with_empty_nodes(snapshot, powered_off=False) if always_on else snapshot


def with_empty_nodes(snapshot: Snapshot, *, powered_off: bool) -> Snapshot:
    """Return the snapshot with empty nodes that are off, or that draw their idle watts."""
    return replace(
        snapshot, budgets=tuple(replace(b, empty_off=powered_off) for b in snapshot.budgets)
    )


def with_budgets(snapshot: Snapshot, changed: Iterable[Budget]) -> Snapshot:
    """Return the snapshot with some budgets replaced by name."""
    by_name = {budget.name: budget for budget in changed}
    return replace(snapshot, budgets=tuple(by_name.get(b.name, b) for b in snapshot.budgets))


def _combinations() -> Iterable[tuple[Shape, tuple[str, Caps], float]]:
    return ((shape, caps, load) for shape in SHAPES for caps in CAPS.items() for load in LOADS)


def main() -> int:
    """List the instances or write one."""
    parser = argparse.ArgumentParser(description="Instances of the planner benchmark.")
    parser.add_argument("what", choices=("list", "export"))
    parser.add_argument("name", nargs="?", help="as listed; -idle behind it keeps empty nodes on")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.what == "list" or not options.name:
        print("\n".join(instances()))
        return 0
    json.dump(manifests_of(instance(options.name, options.seed)), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
