"""Write the package's version, which is in `kwatt.__version__`, into the chart: `make generate`."""

from __future__ import annotations

import re
from pathlib import Path

from kwatt import __version__

CHART = Path(__file__).resolve().parents[2] / "charts" / "kwatt" / "Chart.yaml"


def versioned(chart: str, version: str) -> str:
    """Return the text of a Chart.yaml with both its versions set."""
    chart = re.sub(r"^version: .*$", f"version: {version}", chart, flags=re.MULTILINE)
    return re.sub(r"^appVersion: .*$", f'appVersion: "{version}"', chart, flags=re.MULTILINE)


if __name__ == "__main__":
    CHART.write_text(versioned(CHART.read_text(encoding="utf-8"), __version__), encoding="utf-8")
