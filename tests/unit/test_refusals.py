"""Log lines for refused requests are few."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.refusals import RefusalLog

CLIENT = ("127.0.0.1", 4711)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _lines(work: Callable[[], None]) -> list[Any]:
    with capture_logs() as lines:
        work()
    return list(lines)


def test_writes_who_was_refused_and_why(clock: Clock) -> None:
    refusals = RefusalLog(clock)

    (line,) = _lines(lambda: refusals.note("unauthorized", CLIENT))

    assert line == {
        "event": "webhook_refused",
        "log_level": "warning",
        "reason": "unauthorized",
        "client": "127.0.0.1",
        "unsaid": 0,
    }


def test_counts_within_a_second_what_it_does_not_write(clock: Clock) -> None:
    refusals = RefusalLog(clock)

    def a_flood() -> None:
        for _ in range(100):
            refusals.note("unauthorized", CLIENT)
        clock.seconds += 1
        refusals.note("unauthorized", CLIENT)
        clock.seconds += 1
        refusals.note("unauthorized", CLIENT)

    assert [line["unsaid"] for line in _lines(a_flood)] == [0, 99, 0]


def test_a_flood_of_one_reason_hides_no_other(clock: Clock) -> None:
    refusals = RefusalLog(clock)

    def a_flood() -> None:
        for _ in range(100):
            refusals.note("unauthorized", CLIENT)
        refusals.note("too_large", None)

    assert [line["reason"] for line in _lines(a_flood)] == ["unauthorized", "too_large"]
