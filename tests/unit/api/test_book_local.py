"""The book of one process: how long it keeps what, and who may ask."""

import threading

import pytest

from core.api.book.local import LocalBook
from core.api.book.records import (
    LEASE_SECONDS,
    LIFE,
    PACE,
    SECOND,
    SHELF_BYTES_MAX,
    Entry,
    Lease,
    Mark,
    Place,
)

FIRST = Place("", 1)
SECOND_PAGE = Place("", 2)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 10 * LIFE

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The book's clock."""
    return Clock()


@pytest.fixture
def book(clock: Clock) -> LocalBook:
    """An empty book."""
    return LocalBook(clock=clock)


def take(book: LocalBook, place: Place = FIRST, since: int = 1 << 62) -> Lease:
    lease = book.lease("orders", place, since)
    assert isinstance(lease, Lease)
    return lease


def keep(book: LocalBook, lease: Lease, *keys: str, size: int = 10) -> None:
    entries = {key: Entry(b"x" * size) for key in keys}
    book.put(lease, entries, Mark(lease.asked, is_last=False))


def elsewhere(action: object) -> object:
    """Do something as another thread."""
    results: list[object] = []
    assert callable(action)
    thread = threading.Thread(target=lambda: results.append(action()))
    thread.start()
    thread.join()
    return results[0]


def test_copies_and_marks_are_forgotten_together(book: LocalBook, clock: Clock) -> None:
    keep(book, take(book), "a")
    clock.now += LIFE
    kept = book.look("orders", "a", FIRST)
    clock.now += LIFE
    gone = book.look("orders", "a", FIRST)

    assert kept.copy is not None
    assert kept.mark is not None
    assert (gone.copy, gone.mark) == (None, None)


def test_an_answer_that_is_older_replaces_no_newer_one(book: LocalBook, clock: Clock) -> None:
    early = take(book)
    clock.now += SECOND
    late = take(book, SECOND_PAGE)
    keep(book, late, "a")
    keep(book, early, "a")

    found = book.look("orders", "a", FIRST).copy

    assert found is not None
    assert found.asked == late.asked


def test_a_shelf_is_emptied_before_it_grows_too_large(book: LocalBook, clock: Clock) -> None:
    for number in range(1, 20):
        clock.now += 1
        keep(book, take(book, Place("", number)), f"key-{number}", size=SHELF_BYTES_MAX // 4)
    clock.now += 1

    seen = [book.look("orders", f"key-{n}", Place("", n)) for n in range(1, 20)]

    assert 1 <= sum(each.copy is not None for each in seen) <= 4
    assert all((each.copy is None) == (each.mark is None) for each in seen)


def test_while_one_asks_others_wait_for_him_but_not_for_ever(book: LocalBook, clock: Clock) -> None:
    take(book)

    assert book.lease("orders", FIRST, clock.now) == LEASE_SECONDS
    assert isinstance(book.lease("orders", SECOND_PAGE, clock.now), Lease)
    clock.now += int(LEASE_SECONDS * SECOND)
    assert isinstance(book.lease("orders", FIRST, clock.now), Lease)


def test_a_page_that_was_just_asked_for_is_left_alone_for_a_moment_by_others(
    book: LocalBook, clock: Clock
) -> None:
    keep(book, take(book), "a")
    clock.now += PACE // 2

    assert elsewhere(lambda: book.lease("orders", FIRST, clock.now)) == PACE / 2 / SECOND
    assert isinstance(book.lease("orders", FIRST, clock.now), Lease)


def test_a_page_that_somebody_has_asked_for_since_is_not_asked_for_again(
    book: LocalBook, clock: Clock
) -> None:
    since = clock.now
    clock.now += 1
    keep(book, take(book), "a")
    clock.now += 1

    assert book.lease("orders", FIRST, since) == 0.0


def test_a_clock_that_goes_back_holds_up_nobody(book: LocalBook, clock: Clock) -> None:
    keep(book, take(book), "a")
    take(book)
    clock.now -= 3600 * SECOND

    assert isinstance(elsewhere(lambda: book.lease("orders", FIRST, clock.now)), Lease)


def test_what_is_changed_is_marked_by_any_of_its_names(book: LocalBook, clock: Clock) -> None:
    lease = take(book)
    entries = {"sku": Entry(b"{}", alias="prod_1"), "other": Entry(b"{}", alias="prod_2")}
    book.put(lease, entries, Mark(lease.asked, is_last=True))
    clock.now += 1
    book.mark_stale("orders", ["prod_1"])

    assert book.look("orders", "sku", FIRST).stale_since == clock.now
    assert book.look("orders", "other", FIRST).stale_since == 0
    book.mark_stale("orders", [])
    assert book.look("orders", "other", FIRST).stale_since == clock.now


def test_changes_without_end_take_no_memory_without_end(book: LocalBook, clock: Clock) -> None:
    for number in range(30_000):
        clock.now += SECOND
        book.mark_stale("orders", [f"ord_{number}"])

    assert len(book._stale) <= 10_001
    assert book.look("orders", "ord_29999", FIRST).stale_since == clock.now
