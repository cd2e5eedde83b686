"""The way through a list: what is taken from the book, what is asked for, and where it ends."""

from typing import Any

import pytest

from core.api.book.records import SECOND, Copy, Mark, Place, View
from core.api.book.search import (
    PAGES_MAX,
    Ask,
    Found,
    Look,
    Missing,
    Reach,
    Search,
    Wanted,
)

NOW = 1_000 * SECOND


def wanted(**fields: Any) -> Wanted:
    return Wanted(**{"max_age": 60 * SECOND, "max_pages": 10, **fields})


def ago(seconds: float) -> int:
    return NOW - int(seconds * SECOND)


def copy(asked: int, page: int = 1) -> Copy:
    return Copy(asked, f"|{page}", b"{}")


def view(**fields: Any) -> View:
    return View(**{"now": NOW, **fields})


def full(asked: int, oldest: int = 0) -> Mark:
    return Mark(asked, is_last=False, oldest=oldest)


@pytest.mark.parametrize(
    ("copied", "accepted"),
    [(ago(0), True), (ago(30), True), (ago(60), True), (ago(61), False), (NOW + 1, False)],
    ids=["now", "young", "just young enough", "too old", "by a clock that went back"],
)
def test_a_copy_is_taken_up_to_its_age(copied: int, accepted: bool) -> None:
    step = Search("", wanted()).next_step(view(copy=copy(copied)))

    assert isinstance(step, Found) == accepted


@pytest.mark.parametrize(
    ("seen", "fields"),
    [
        (view(copy=copy(ago(5)), stale_since=ago(5)), {}),
        (view(copy=copy(ago(5))), {"fresh_since": ago(4)}),
    ],
    ids=["changed by ourselves", "from before the event"],
)
def test_a_copy_from_before_a_change_is_not_taken(seen: View, fields: dict[str, Any]) -> None:
    assert isinstance(Search("", wanted(**fields)).next_step(seen), Ask)


def test_a_change_while_we_search_may_have_come_after_us() -> None:
    search = Search("", wanted())
    search.next_step(view())

    later = View(NOW + 10, copy=copy(NOW + 5), stale_since=NOW + 7)

    assert isinstance(search.next_step(later), Found)


def test_a_page_counts_as_read_that_was_asked_for_since_we_search() -> None:
    search = Search("", wanted())

    assert search.next_step(view(mark=full(ago(0.01)))) == Ask(NOW)
    assert search.next_step(view(now=NOW + 2, mark=full(NOW + 1))) == Look()
    assert search.place == Place("", 2)


def test_a_page_counts_as_read_that_was_asked_for_since_the_event_came() -> None:
    search = Search("", wanted(absent_since=ago(5)))

    assert search.next_step(view(mark=full(ago(3)))) == Look()


def test_a_page_from_before_the_one_before_may_have_lost_what_was_pushed_onto_it() -> None:
    search = Search("", wanted(absent_since=ago(5)))
    search.next_step(view(mark=full(ago(3))))

    assert search.next_step(view(mark=full(ago(4)))) == Ask(ago(3))
    assert search.next_step(view(mark=full(ago(2)))) == Look()


def test_a_page_that_lacks_what_was_changed_since_is_asked_for_again() -> None:
    search = Search("", wanted(absent_since=ago(50)))

    step = search.next_step(view(mark=full(ago(20)), stale_since=ago(10)))

    assert step == Ask(ago(10) + 1)


def test_where_an_outdated_copy_stood_is_looked_at_first_and_then_all_pages() -> None:
    search = Search("", wanted())

    assert isinstance(search.next_step(view(copy=copy(ago(99), page=7))), Ask)
    assert search.place == Place("", 7)
    search.pass_page(full(NOW + 1))
    assert search.place == Place("", 1)


def test_a_copy_from_another_list_tells_nothing_of_its_page() -> None:
    search = Search("q=a", wanted())

    search.next_step(view(copy=Copy(ago(99), "q=b|7", b"{}")))

    assert search.place == Place("q=a", 1)


@pytest.mark.parametrize(
    ("mark", "reach"),
    [
        (Mark(NOW, is_last=True), Reach.WHOLE_LIST),
        (Mark(NOW, is_last=False, oldest=ago(101)), Reach.OLDEST),
        (Mark(NOW, is_last=False, oldest=ago(100)), None),
    ],
)
def test_a_search_ends_with_the_list_or_with_what_is_too_old(
    mark: Mark, reach: Reach | None
) -> None:
    search = Search("", wanted(oldest=ago(100)))

    assert search.next_step(view(mark=mark)) == (Missing(reach, 1) if reach else Look())


def pages_read(search: Search, oldest: int) -> int:
    while True:
        step = search.next_step(view(mark=full(NOW, oldest)))
        if isinstance(step, Missing):
            assert step.reach is Reach.MAX_PAGES
            return step.pages


@pytest.mark.parametrize(
    ("fields", "pages"),
    [
        ({}, 3),
        ({"at_least_until": ago(10)}, 3),
        ({"at_least_until": ago(20)}, PAGES_MAX),
    ],
    ids=["a script", "a list that reaches back to the event", "a list that is newer throughout"],
)
def test_a_search_ends_after_so_many_pages(fields: dict[str, Any], pages: int) -> None:
    assert pages_read(Search("", wanted(max_pages=3, **fields)), oldest=ago(10)) == pages


def test_a_bound_that_lies_ahead_means_now() -> None:
    ahead = NOW + 60 * SECOND
    search = Search("", wanted(fresh_since=ahead, absent_since=ahead))

    assert search.next_step(view(stale_since=ahead)) == Ask(NOW)
    assert isinstance(search.next_step(View(NOW + 5, copy=copy(NOW + 3))), Found)


def test_a_copy_that_can_not_be_read_is_not_offered_again() -> None:
    search = Search("", wanted())
    useless = view(copy=copy(ago(1)))
    assert isinstance(search.next_step(useless), Found)

    search.distrust(copy(ago(1)))

    assert isinstance(search.next_step(useless), Ask)
