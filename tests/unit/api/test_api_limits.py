"""The arithmetic of limits."""

import pytest

from core.api import Limit
from core.api.limits import PLAN_LIMITS, SECOND, earliest, most_within, reconcile_limit, share_of

SCALE = PLAN_LIMITS["scale"]


@pytest.mark.parametrize(
    ("rank", "seconds"),
    [
        (0, 0),  # nothing was sent: it may go at once
        (1, 0),
        (2, 10),  # behind two that are to come, a window later
        (3, 10),
        (4, 20),
        (9, 40),
    ],
)
def test_calls_to_come_follow_each_other_by_windows(rank: int, seconds: int) -> None:
    window = Limit(2, 10.0)

    at = earliest(rank, [window], 0, lambda _: 0, SECOND)

    assert at == SECOND + seconds // 10 * window.length


def test_a_call_follows_those_that_were_sent() -> None:
    window, sent = Limit(2, 10.0), [1 * SECOND, 4 * SECOND, 5 * SECOND]
    times = [earliest(rank, [window], 3, sent.__getitem__, 6 * SECOND) for rank in range(3, 7)]

    first, second = sent[1] + window.length, sent[2] + window.length
    assert times == [first, second, first + window.length, second + window.length]


def test_windows_are_taken_a_little_longer_than_they_are() -> None:
    assert 60 * SECOND < Limit(1, 60.0).length < 60.05 * SECOND
    assert 1 * SECOND < Limit(1, 1.0).length < 1.01 * SECOND


def test_shares_add_up_to_no_more_than_the_whole() -> None:
    assert share_of(SCALE, 1) == SCALE
    assert share_of(SCALE, 8) == (Limit(125, 60.0), Limit(12, 1.0))
    assert share_of([Limit(20, 1.0)], 64) == (Limit(1, 3.2),)


@pytest.mark.parametrize(("seconds", "calls"), [(0, 100), (0.9, 100), (1.2, 200), (30, 1000)])
def test_so_much_can_be_sent_behind_ones_back(seconds: float, calls: int) -> None:
    assert most_within(SCALE, seconds) == calls


def test_reconciliation_may_take_a_tenth_but_never_nothing() -> None:
    assert reconcile_limit(SCALE) == Limit(100, 60.0)
    assert reconcile_limit([Limit(5, 60.0)]) == Limit(1, 60.0)
