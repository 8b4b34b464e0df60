"""Whether an operator leads, as its Lease tells. Pure."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kwatt.cli.statuses import Fields, age

_CLOCKS: Final = timedelta(seconds=15)  # assumption: the operator's clock and ours differ by less
_LONGEST: Final = 3600  # seconds that a Lease may claim; a record is not to be believed in all
_SO: Final = "Caps hold; nothing below changes, and nothing is placed, until one does."


class LeaseName(NamedTuple):
    """Which Lease the operators of a cluster compete for; as the chart installs it where nobody says."""

    namespace: str = "kwatt-system"
    name: str = "kwatt"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse_lease(text: str) -> LeaseName:
    """Read NAMESPACE/NAME; raise ArgumentTypeError, as argparse wants it."""
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not NAMESPACE/NAME")
    return LeaseName(namespace, name)


def no_leader(lease: Fields | None, name: LeaseName, now: datetime) -> str:
    """Say that no operator leads, "" where one does; `lease` is None where there is none."""
    if lease is None:
        return f"No operator leads by the Lease {name}: it is not there; --lease names another."
    spec = lease.part("spec")
    renewed = spec.time("renewTime")
    since = age(renewed, now) or "an unknown time"
    if not spec.text("holderIdentity"):
        return f"No operator leads: the last one gave the Lease {name} back {since} ago. {_SO}"
    claimed = min(int(spec.number("leaseDurationSeconds") or 0), _LONGEST)
    if renewed is None or now - renewed > timedelta(seconds=claimed) + _CLOCKS:
        return f"No operator leads: the Lease {name} was last renewed {since} ago. {_SO}"
    return ""
