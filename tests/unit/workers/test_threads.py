"""Threads that can be given up on."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.waiting import wait_until
from workers.threads import HandlerThreads, Task


class _Work:
    """Work that goes on until the test lets it end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.reported = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> Callable[[], None]:
        self.thread = threading.current_thread()
        self.begun.set()
        self.may_end.wait(10)
        return self.reported.set


@pytest.fixture
def hanging() -> Iterator[_Work]:
    """Work that hangs; it ends with the test at the latest."""
    work = _Work()
    yield work
    work.may_end.set()


def _quick() -> _Work:
    work = _Work()
    work.may_end.set()
    return work


def test_work_is_done_and_then_reported() -> None:
    work = _quick()

    HandlerThreads(1).submit(work)

    assert work.reported.wait(5)


def test_work_waits_for_a_free_thread(hanging: _Work) -> None:
    threads, next_one = HandlerThreads(1), _quick()
    threads.submit(hanging)
    threads.submit(next_one)
    assert hanging.begun.wait(5)
    assert not next_one.begun.is_set()

    hanging.may_end.set()

    assert next_one.reported.wait(5)


def test_each_thread_works_for_itself(hanging: _Work) -> None:
    threads, other = HandlerThreads(2), _quick()
    threads.submit(hanging)

    threads.submit(other)

    assert other.reported.wait(5)


def test_a_thread_that_is_given_up_on_is_replaced(hanging: _Work) -> None:
    threads, next_one = HandlerThreads(1), _quick()
    task = threads.submit(hanging)
    threads.submit(next_one)
    assert hanging.begun.wait(5)

    assert threads.give_up_on(task)

    assert next_one.reported.wait(5)


def test_what_ends_after_it_was_given_up_on_is_not_reported(hanging: _Work) -> None:
    threads = HandlerThreads(1)
    task = threads.submit(hanging)
    assert hanging.begun.wait(5)
    threads.give_up_on(task)

    hanging.may_end.set()

    assert hanging.thread is not None
    hanging.thread.join(5)
    assert not hanging.thread.is_alive()  # another has its place
    assert not hanging.reported.is_set()


def test_nobody_can_give_up_on_what_has_ended() -> None:
    threads, work = HandlerThreads(1), _quick()
    task = threads.submit(work)
    assert work.reported.wait(5)

    assert not threads.give_up_on(task)


def test_nobody_can_give_up_twice(hanging: _Work) -> None:
    threads = HandlerThreads(1)
    task = threads.submit(hanging)
    assert hanging.begun.wait(5)

    assert threads.give_up_on(task)
    assert not threads.give_up_on(task)


def test_cancelled_work_is_never_begun(hanging: _Work) -> None:
    threads, cancelled, last = HandlerThreads(1), _quick(), _quick()
    threads.submit(hanging)
    task = threads.submit(cancelled)
    threads.submit(last)

    assert task.cancel()

    hanging.may_end.set()
    assert last.reported.wait(5)
    assert not cancelled.begun.is_set()


def test_nobody_can_cancel_what_has_begun(hanging: _Work) -> None:
    task = HandlerThreads(1).submit(hanging)
    assert hanging.begun.wait(5)

    assert not task.cancel()


def test_of_all_who_want_to_end_a_task_one_succeeds() -> None:
    for _ in range(200):
        work = _quick()
        task = Task(work)
        given_up: list[bool] = []
        giving_up = threading.Thread(target=lambda t=task, g=given_up: g.append(t.abandon()))
        giving_up.start()

        was_reported = task.run()

        giving_up.join()
        assert given_up == [not was_reported]
        assert work.reported.is_set() == was_reported


def test_a_thread_that_hangs_does_not_keep_the_process_alive(hanging: _Work) -> None:
    HandlerThreads(1).submit(hanging)
    assert hanging.begun.wait(5)

    assert hanging.thread is not None
    assert hanging.thread.daemon


def test_threads_are_worn_out_while_as_many_hang_as_work(hanging: _Work) -> None:
    threads = HandlerThreads(1)
    task = threads.submit(hanging)
    assert hanging.begun.wait(5)
    states = [threads.are_worn_out]

    threads.give_up_on(task)
    states.append(threads.are_worn_out)
    hanging.may_end.set()
    wait_until(lambda: threads.hanging == 0, "the end of the thread that hung")
    states.append(threads.are_worn_out)

    assert states == [False, True, False]
