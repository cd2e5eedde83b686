"""What a receiver says of Redis and of its spool: enough, and not more."""

from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from receiver.mode import Mode


class Clock:
    """A time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mode(clock: Clock) -> Mode:
    return Mode(clock)


@pytest.fixture
def events() -> Iterator[Callable[[], list[str]]]:
    """The names of the lines that have been logged."""
    with capture_logs() as lines:
        yield lambda: [line["event"] for line in lines]


def spool(mode: Mode, events: int, left: int) -> None:
    with mode.lock:
        mode.spool_took(events, left)


def test_spooling_begins_and_ends_with_one_line(
    mode: Mode, clock: Clock, events: Callable[[], list[str]]
) -> None:
    for number in range(1, 4):
        mode.redis_failed(ConnectionError("refused"))
        spool(mode, 10, number * 10)
    clock.now += 60
    mode.redis_answered()
    assert not mode.end_if_over()
    mode.spooled = 0

    assert mode.end_if_over()

    assert not mode.end_if_over()
    assert events() == ["spooling_started", "spooling_over"]


def test_spooling_goes_on_until_redis_is_there(mode: Mode) -> None:
    mode.redis_failed(ConnectionError("refused"))

    assert not mode.end_if_over()
    assert mode.spooling


def test_a_redis_that_fails_again_is_told_of_once_in_a_while(
    mode: Mode, clock: Clock, events: Callable[[], list[str]]
) -> None:
    for _ in range(5):
        mode.redis_failed(ConnectionError("refused"))
        mode.redis_answered()
    clock.now += 60
    mode.redis_failed(ConnectionError("refused"))

    assert events() == ["spooling_started", "spooling_goes_on", "spooling_goes_on"]


def test_trouble_that_comes_and_goes_is_told_of_once_in_a_while(
    mode: Mode, clock: Clock, events: Callable[[], list[str]]
) -> None:
    for _ in range(5):
        mode.spool_failed(OSError("full"))
        mode.spool_works()
    mode.spool_failed(OSError("another"))
    clock.now += 60
    mode.spool_failed(OSError("full"))

    assert events() == ["spool_failed", "spool_works_again", "spool_failed", "spool_failed"]


def test_an_error_without_words_is_told_by_its_name(mode: Mode) -> None:
    mode.redis_failed(TimeoutError())

    assert mode.redis_error == "TimeoutError"
