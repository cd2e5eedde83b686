"""What sliding windows allow."""

import pytest

from handlers.testing import Window
from handlers.testing.api.limits import Limits
from tests.bench import allowance

SECOND, MINUTE = Window(100, 1.0), Window(1000, 60.0)


def test_the_earliest_times_are_the_ones_that_a_strict_server_lets_in() -> None:
    clock = [0.0]
    limits = Limits((SECOND, MINUTE), lambda: clock[0])
    for time in allowance.earliest(2_100, (SECOND, MINUTE)):
        clock[0] = time
        assert limits.try_call() is None
        if time:
            clock[0] = time - 0.001
            assert limits.try_call() is not None


def test_a_thousand_calls_need_nine_seconds_and_one_more_needs_a_minute() -> None:
    assert allowance.earliest(1_000, (SECOND, MINUTE))[-1] == 9
    assert allowance.earliest(1_001, (SECOND, MINUTE))[-1] == 60


def test_the_fullest_window_may_begin_anywhere() -> None:
    times = [0.0, *(0.9 + number / 1000 for number in range(60)), 1.0, 5.0]
    assert allowance.fullest(times, SECOND) == 61


@pytest.mark.parametrize("per_second", [50, 95, 100])
def test_an_even_flow_has_the_share_that_it_has(per_second: int) -> None:
    times = [number / per_second for number in range(1_011)]
    assert allowance.pace(times, SECOND, MINUTE) == pytest.approx(per_second / 100)


def test_whoever_goes_as_early_as_allowed_uses_all_of_it() -> None:
    times = [1e9 + time for time in allowance.earliest(1_011, (SECOND, MINUTE))]
    assert allowance.pace(times, SECOND, MINUTE) == pytest.approx(1)
    assert allowance.promptness(times, (SECOND, MINUTE)) == pytest.approx(1)


def test_whoever_pauses_between_bursts_uses_less() -> None:
    late = [time * 1.1 for time in allowance.earliest(1_011, (SECOND, MINUTE))]
    assert allowance.pace(late, SECOND, MINUTE) == pytest.approx(1 / 1.1)
    assert allowance.promptness(late, (SECOND, MINUTE)) == pytest.approx(1 / 1.1)
