"""What standard output can show."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

from kwatt.cli.text import Style

_WIDTH_WITHOUT_TERMINAL: Final = 140


def terminal_style() -> Style:
    """Find out width, unicode and colours of standard output; https://no-color.org."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Style(
        width=shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns,
        unicode=encoding.startswith("utf"),
        colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )
