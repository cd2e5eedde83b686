"""Time as EcomLinx tells it: in UTC and to the second."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Returns the time as aware UTC; tests pass one of their own.
Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a time as EcomLinx does, such as ``2026-04-17T08:22:11Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ManualClock:
    """A clock for tests: it stands still until it is told to go on."""

    def __init__(self, start: datetime = datetime(2026, 4, 17, 9, 45, tzinfo=UTC)) -> None:
        self._moment = start

    def __call__(self) -> datetime:
        """Return the time."""
        return self._moment

    def advance(self, seconds: float) -> None:
        """Go on."""
        self._moment += timedelta(seconds=seconds)
