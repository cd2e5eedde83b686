"""Time as EcomLinx tells it: in UTC and to the second."""

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the time as aware UTC; tests pass one of their own.
Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a time as EcomLinx does, such as ``2026-04-17T08:22:11Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
