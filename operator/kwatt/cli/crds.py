"""Write the CustomResourceDefinitions into a folder: `python -m kwatt.cli.crds crds/`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from kwatt.api.crd import crd
from kwatt.api.kinds import KINDS
from kwatt.names import GROUP

_HEADER = "# Generated from operator/kwatt/api by `make crds`. Do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Writes equal parts twice instead of as anchors: a manifest without them is easier to read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (the signature is PyYAML's)
        return True


def manifests() -> dict[str, str]:
    """Return file name and text of every CustomResourceDefinition."""
    return {
        f"{kind.plural}.{GROUP}.yaml": _HEADER
        + yaml.dump(crd(kind), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
        for kind in KINDS
    }


def main() -> None:
    """Write every manifest into the folder given as the only argument."""
    folder = Path(sys.argv[1])
    for name, text in manifests().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
