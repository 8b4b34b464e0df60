"""`python -m fakenpu COMMAND`: the programs of the kit."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {"device-plugin": "fakenpu.plugin.command"}  # each module has main(argv) -> exit status


def main() -> int:
    """Run the command that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        print(f"fakenpu: say one of {', '.join(COMMANDS)}", file=sys.stderr)  # noqa: T201
        return 2
    status: int = importlib.import_module(COMMANDS[name]).main(sys.argv[2:])
    return status


if __name__ == "__main__":
    sys.exit(main())
