"""Shift the time of day of a process by what the file named in KWATT_TEST_CLOCK says, in seconds.

Python imports this before anything else when its folder is on PYTHONPATH. The monotonic clock stays.
"""

import datetime
import os
import time
from pathlib import Path

_FILE = os.environ.get("KWATT_TEST_CLOCK", "")
_time, _datetime = time.time, datetime.datetime


def _offset() -> float:
    try:
        return float(Path(_FILE).read_text())
    except (OSError, ValueError):
        return 0.0


class _Meta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class _Shifted(_datetime, metaclass=_Meta):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return _datetime.now(tz) + datetime.timedelta(seconds=_offset())

    @classmethod
    def utcnow(cls) -> datetime.datetime:
        return _datetime.utcnow() + datetime.timedelta(seconds=_offset())


if _FILE:
    time.time = lambda: _time() + _offset()
    datetime.datetime = _Shifted  # type: ignore[misc]
