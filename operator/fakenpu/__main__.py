"""The program `fakenpu`: `run` serves fake NPUs, `load` changes what is asked, `server` stands in for a model.

Commands are imported when they are called: the server in a small image needs none of the others' libraries.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import Final

from fakenpu.quantities import BadInput

_MODULES: Final = {
    "run": "fakenpu.run",
    "load": "fakenpu.load",
    "server": "fakenpu.server",
    "device-plugin": "fakenpu.plugin.command",
}
_UNUSABLE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named first in `argv` and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in _MODULES:
        sys.stderr.write(f"usage: fakenpu {{{','.join(_MODULES)}}} ...; each has --help\n")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else _UNUSABLE
    if importlib.util.find_spec(_MODULES[arguments[0]].rpartition(".")[0]) is None:
        sys.stderr.write(f"fakenpu {arguments[0]}: error: this installation is without it\n")
        return _UNUSABLE
    try:
        module = importlib.import_module(_MODULES[arguments[0]])
        return int(module.main(arguments[1:]))
    except BadInput as error:
        sys.stderr.write(f"fakenpu {arguments[0]}: error: {error}\n")
        return _UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
