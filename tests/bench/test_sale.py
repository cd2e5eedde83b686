"""A burst, and how it is worked off."""

from math import inf

import pytest

from tests.bench.sale import Sale, Speed, simulate

UNBOUND = Speed(workers=inf, calls=0, calls_per_minute=1000, calls_per_second=100)


def test_a_sale_begins_with_its_peak_and_falls_to_the_average() -> None:
    sale = Sale(seconds=100, average=10, peak=30)
    assert [sale.arriving(second) for second in (0, 50, 100, 200)] == [30, 20, 10, 10]


def test_nothing_waits_where_nothing_holds_up() -> None:
    seconds, is_worked_off = simulate(Sale(100, 10, 30), UNBOUND)
    assert is_worked_off
    assert len(seconds) == 100
    assert {(second.waiting, second.waited) for second in seconds} == {(0, 0)}


def test_what_workers_do_not_manage_waits_and_is_worked_off_later() -> None:
    speed = Speed(workers=10, calls=0, calls_per_minute=1000, calls_per_second=100)
    seconds, is_worked_off = simulate(Sale(2, 0, 100), speed)
    # 100 and 50 events arrive, ten a second are done.
    assert is_worked_off
    assert [second.waiting for second in seconds] == [90, *range(130, -1, -10)]
    assert [second.waited for second in seconds] == [*range(9), *range(8, 13), 0]


def test_no_minute_and_no_second_has_more_calls_than_the_api_allows() -> None:
    speed = Speed(workers=inf, calls=2, calls_per_minute=1000, calls_per_second=100)
    seconds, _ = simulate(Sale(600, 0, 100), speed)
    calls = [2 * second.done for second in seconds]
    assert max(calls) == pytest.approx(100)
    windows = [sum(calls[first : first + 60]) for first in range(len(calls) - 59)]
    assert max(windows) == pytest.approx(1000)
    # While something waits, all of it is used.
    assert windows[0] == pytest.approx(1000)


def test_every_event_is_done_once() -> None:
    speed = Speed(workers=7, calls=1, calls_per_minute=300, calls_per_second=20)
    seconds, is_worked_off = simulate(Sale(300, 1, 20), speed)
    assert is_worked_off
    arrived, done = (sum(getattr(s, name) for s in seconds) for name in ("arrived", "done"))
    assert arrived - done == pytest.approx(seconds[-1].waiting)


def test_a_load_that_is_too_much_on_average_is_never_worked_off() -> None:
    speed = Speed(workers=5, calls=0, calls_per_minute=1000, calls_per_second=100)
    seconds, is_worked_off = simulate(Sale(60, 10, 10), speed)
    assert not is_worked_off
    assert len(seconds) == 3 * 86_400
    assert seconds[-1].waiting == pytest.approx(5 * len(seconds))
    # Half of the time that has passed lies between the head of the queue and its end.
    assert seconds[-1].waited == pytest.approx(len(seconds) / 2, abs=2)
