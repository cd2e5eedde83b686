"""Rate limits of the local EcomLinx."""

import pytest

from handlers.testing.api.limits import PLAN_WINDOWS, Limits, Plan, Window


class Seconds:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_776_400_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.mark.parametrize(
    ("plan", "in_a_second", "in_a_minute"), [(Plan.SCALE, 100, 1000), (Plan.PRO, 20, 200)]
)
def test_lets_in_what_the_plan_allows_and_not_one_more(
    seconds: Seconds, plan: Plan, in_a_second: int, in_a_minute: int
) -> None:
    limits = Limits(PLAN_WINDOWS[plan], seconds)
    allowed = []
    for _ in range(12):
        allowed.append(sum(limits.try_call() is None for _ in range(in_a_second + 5)))
        seconds.now += 1

    assert allowed[:10] == [in_a_second] * 10
    assert sum(allowed) == in_a_minute


def test_slides_instead_of_beginning_anew_each_second(seconds: Seconds) -> None:
    limits = Limits([Window(2, 1.0)], seconds)
    answers = []
    for now in (0.0, 0.9, 1.0, 1.5, 1.9):
        seconds.now = now
        answers.append(limits.try_call() is None)

    assert answers == [True, True, True, False, True]


def test_does_not_count_what_it_refuses(seconds: Seconds) -> None:
    limits = Limits([Window(1, 1.0)], seconds)
    limits.try_call()
    seconds.now += 0.5
    limits.try_call()
    seconds.now += 0.5

    assert limits.try_call() is None


@pytest.mark.parametrize(("passed", "wait"), [(0.0, 60), (0.7, 60), (30.5, 30), (59.5, 1)])
def test_tells_whole_seconds_to_wait_rounded_up(seconds: Seconds, passed: float, wait: int) -> None:
    limits = Limits([Window(1, 60.0)], seconds)
    limits.try_call()
    seconds.now += passed

    assert limits.try_call() == wait


def test_tells_the_longest_wait_of_all_windows(seconds: Seconds) -> None:
    limits = Limits([Window(1, 1.0), Window(1, 60.0)], seconds)
    limits.try_call()

    assert limits.try_call() == 60


def test_refuses_nothing_without_windows(seconds: Seconds) -> None:
    limits = Limits([], seconds)

    assert {limits.try_call() for _ in range(5000)} == {None}
