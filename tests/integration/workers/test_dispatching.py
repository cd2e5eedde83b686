"""Each delivery is made once, in its entity's order, however its event comes."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from core.events import EventId
from core.ledger.database import Database
from handlers import Context, Event, Fail, OrderEvent, Retry
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW, admit_one, arrival_of, lease_of, take, take_lost
from tests.support.waiting import wait_until
from tests.support.workbench import Clock, Workbench, handler
from workers import batch
from workers.runtime import LEASE
from workers.threads import HandlerThreads


class _Log:
    """Handlers that write down what they do."""

    def __init__(self) -> None:
        self.lines: list[EventId] = []

    def count(self, event: Event, _: Context) -> None:
        self.lines.append(event.id)

    def counts(self) -> Counter[EventId]:
        return Counter(self.lines)


class _Gate:
    """A handler that waits, once begun, until the test lets it go on."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.open = threading.Event()

    def wait(self, event: Event, _: Context) -> str:
        self.begun.append(event.id)
        self.open.wait(20)
        self.ended.append(event.id)
        return "done"


def _order(number: int, created_at: str, event: str = "order.new") -> bytes:
    """An event of one order, at a time of its own."""
    return orjson.dumps(
        {
            "event": event,
            "created_at": f"2026-03-01T{created_at}Z",
            "data": {"id": f"ord_{number}"},
        }
    )


def _run_aside(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def test_the_same_event_twice_in_a_job_is_handled_once(open_workbench: OpenWorkbench) -> None:
    log = _Log()
    bench = open_workbench(handler(log.count))
    body = body_of()

    event_id, _ = bench.deliver(body, body)

    assert log.lines == [event_id]


def test_the_same_job_twice_is_handled_once(open_workbench: OpenWorkbench) -> None:
    log = _Log()
    bench = open_workbench(handler(log.count))
    bodies = [body_of() for _ in range(20)]
    events = bench.deliver(*bodies)

    bench.deliver(*bodies)

    assert log.counts() == dict.fromkeys(events, 1)
    assert [bench.delivery(event_id)["attempts"] for event_id in events] == [1] * 20


def test_an_event_that_comes_again_whole_is_tried_again_if_that_is_due(
    open_workbench: OpenWorkbench, clock: Clock
) -> None:
    log = _Log()

    def fail_first(event: Event, ctx: Context) -> None:
        log.count(event, ctx)
        if ctx.attempt == 1:
            raise Retry(after=60)

    bench = open_workbench(fail_first)
    body = body_of()
    event_id = bench.deliver_one(body)

    bench.deliver_one(body)
    assert log.counts() == {event_id: 1}
    clock.advance(60)
    bench.deliver_one(body)

    assert log.counts() == {event_id: 2}
    assert bench.delivery(event_id)["status"] == "succeeded"


def test_the_same_events_for_two_workers_at_once_are_handled_once(
    open_workbench: OpenWorkbench,
) -> None:
    log = _Log()
    one = open_workbench(handler(log.count), worker="worker-1")
    other = open_workbench(handler(log.count), worker="worker-2")
    bodies = [body_of() for _ in range(64)]

    first = _run_aside(lambda: one.deliver(*bodies))
    second = _run_aside(lambda: other.deliver(*reversed(bodies)))
    first.join()
    second.join()

    assert len(log.counts()) == 64
    assert set(log.counts().values()) == {1}
    assert {one.delivery(event_id)["status"] for event_id in log.lines} == {"succeeded"}


def test_retries_for_two_workers_at_once_are_attempted_once(open_workbench: OpenWorkbench) -> None:
    log = _Log()

    def fails_first(event: Event, ctx: Context) -> None:
        if ctx.attempt == 1:
            raise Retry(after=1)
        log.count(event, ctx)

    one = open_workbench(fails_first, worker="worker-1")
    other = open_workbench(fails_first, worker="worker-2")
    events = one.deliver(*(body_of() for _ in range(64)))
    one.clock.advance(2)

    first = _run_aside(lambda: one.run(*events))
    second = _run_aside(lambda: other.run(*reversed(events)))
    first.join()
    second.join()

    assert log.counts() == dict.fromkeys(events, 1)
    assert {one.delivery(event_id)["attempts"] for event_id in events} == {2}


def test_what_another_worker_works_on_is_left_alone(
    open_workbench: OpenWorkbench, database: Database
) -> None:
    log = _Log()
    bench = open_workbench(handler(log.count, name="restock"))
    arrival = arrival_of()
    admit_one(database, arrival, lease_of("worker-2"))

    bench.deliver(arrival.raw)
    bench.run(arrival.id)

    assert log.lines == []
    assert bench.delivery(arrival.id)["status"] == "running"


def test_an_event_that_the_ledger_does_not_know_is_nothing_to_do(
    open_workbench: OpenWorkbench,
) -> None:
    log = _Log()
    bench = open_workbench(handler(log.count))

    bench.run(arrival_of().id)

    assert log.lines == []


def test_one_entitys_events_are_handled_in_the_order_in_which_they_happened(
    open_workbench: OpenWorkbench,
) -> None:
    seen: list[str] = []

    def note(event: Event, _: Context) -> None:
        seen.append(event.type)

    bench = open_workbench(note)
    cancelled = _order(1, "09:30:03", "order.cancelled")
    shipped = _order(1, "09:30:02", "order.shipped")
    new = _order(1, "09:30:01", "order.new")

    bench.deliver(cancelled, shipped, new)

    assert seen == ["order.new", "order.shipped", "order.cancelled"]


def test_events_of_the_same_second_are_handled_in_the_order_in_which_they_came(
    open_workbench: OpenWorkbench,
) -> None:
    seen: list[str] = []

    def note(event: Event, _: Context) -> None:
        seen.append(event.type)

    bench = open_workbench(note)
    names = [f"order.change{number}" for number in range(9)]

    bench.deliver(*(_order(1, "09:30:00", name) for name in names))

    assert seen == names


def test_an_entitys_next_event_waits_for_every_handler_of_the_one_before(
    open_workbench: OpenWorkbench,
) -> None:
    lines: list[str] = []
    gate = threading.Event()

    def quick(event: Event, _: Context) -> None:
        lines.append(f"quick {event.type}")

    def slow(event: Event, _: Context) -> None:
        gate.wait(0.2)
        lines.append(f"slow {event.type}")

    bench = open_workbench(quick, slow)

    bench.deliver(_order(1, "09:30:01", "order.new"), _order(1, "09:30:02", "order.shipped"))

    assert lines == [
        "quick order.new",
        "slow order.new",
        "quick order.shipped",
        "slow order.shipped",
    ]


def test_different_entities_are_handled_at_the_same_time(open_workbench: OpenWorkbench) -> None:
    everybody = threading.Barrier(4, timeout=10)

    def meet(_: OrderEvent, __: Context) -> str:
        everybody.wait()
        return "met"

    bench = open_workbench(meet)

    events = bench.deliver(*(_order(number, "09:30:00") for number in range(4)))

    assert [bench.delivery(event_id)["note"] for event_id in events] == ["met"] * 4


def test_an_events_handlers_run_at_the_same_time(open_workbench: OpenWorkbench) -> None:
    both = threading.Barrier(2, timeout=10)

    def one(_: Event, __: Context) -> None:
        both.wait()

    def other(_: Event, __: Context) -> None:
        both.wait()

    bench = open_workbench(one, other)

    assert bench.statuses(bench.deliver_one(body_of())) == {
        "one": "succeeded",
        "other": "succeeded",
    }


def test_a_failed_event_does_not_stop_its_entitys_next_one(open_workbench: OpenWorkbench) -> None:
    def fails(_: Event, __: Context) -> None:
        raise ValueError

    bench = open_workbench(fails)

    events = bench.deliver(_order(1, "09:30:01"), _order(1, "09:30:02", "order.shipped"))

    assert [bench.delivery(event_id)["attempts"] for event_id in events] == [1, 1]


def test_more_events_than_threads_are_all_handled(open_workbench: OpenWorkbench) -> None:
    log = _Log()
    bench = open_workbench(handler(log.count), threads=HandlerThreads(2))

    events = bench.deliver(*(body_of() for _ in range(64)))

    assert log.counts() == dict.fromkeys(events, 1)


def test_a_quick_handlers_outcome_does_not_wait_for_a_slow_one(
    open_workbench: OpenWorkbench,
) -> None:
    gate = _Gate()

    def quick(_: Event, __: Context) -> None: ...

    bench = open_workbench(quick, handler(gate.wait, name="slow"))
    job = _run_aside(lambda: bench.deliver(BODY))

    wait_until(lambda: _statuses_so_far(bench).get("quick") == "succeeded", "the quick one's end")

    assert _statuses_so_far(bench) == {"quick": "succeeded", "slow": "running"}
    gate.open.set()
    job.join()
    assert _statuses_so_far(bench) == {"quick": "succeeded", "slow": "succeeded"}


BODY = body_of(id="ord_watched")


def _statuses_so_far(bench: Workbench) -> dict[str, str]:
    try:
        return bench.statuses(arrival_of(BODY).id)
    except AssertionError:
        return {}


def test_the_job_says_that_it_lives_while_handlers_run(open_workbench: OpenWorkbench) -> None:
    gate = _Gate()
    bench = open_workbench(handler(gate.wait))
    job = _run_aside(lambda: bench.deliver(body_of()))

    wait_until(lambda: bench.beats >= 3, "three heartbeats")

    gate.open.set()
    job.join()


def test_a_long_handler_keeps_its_lease(
    open_workbench: OpenWorkbench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LEASE_RENEWAL", timedelta(seconds=0.05))
    gate = _Gate()
    bench = open_workbench(handler(gate.wait, name="slow"))
    event_id = arrival_of(BODY).id
    job = _run_aside(lambda: bench.deliver(BODY))
    wait_until(lambda: gate.begun, "the handler")

    clock.advance(25)

    renewed = NOW + timedelta(seconds=25) + LEASE
    wait_until(lambda: bench.lease_of(event_id, "slow") == renewed, "the renewal")
    gate.open.set()
    job.join()
    assert bench.lease_of(event_id, "slow") is None


def test_events_that_wait_for_their_turn_keep_their_lease_too(
    open_workbench: OpenWorkbench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LEASE_RENEWAL", timedelta(seconds=0.05))
    gate = _Gate()
    bench = open_workbench(handler(gate.wait, name="slow"))
    first, second = _order(1, "09:30:01"), _order(1, "09:30:02", "order.shipped")
    job = _run_aside(lambda: bench.deliver(first, second))
    wait_until(lambda: gate.begun, "the handler")

    clock.advance(25)

    renewed = NOW + timedelta(seconds=25) + LEASE
    wait_until(lambda: bench.lease_of(arrival_of(second).id, "slow") == renewed, "the renewal")
    assert gate.begun == [arrival_of(first).id]
    gate.open.set()
    job.join()


def test_an_outcome_that_comes_after_the_lease_was_lost_changes_nothing(
    open_workbench: OpenWorkbench, clock: Clock
) -> None:
    gate = _Gate()
    slow = open_workbench(handler(gate.wait, name="act"), worker="worker-1")
    event_id = arrival_of(BODY).id
    job = _run_aside(lambda: slow.deliver(BODY))
    wait_until(lambda: gate.begun, "the handler")
    clock.advance(LEASE.total_seconds() + 1)
    assert take_lost(slow.database, clock()) == [event_id]

    def act(_: Event, __: Context) -> str:
        return "done by the other"

    open_workbench(act, worker="worker-2").run_share(event_id, "act")
    gate.open.set()
    job.join()

    delivery = slow.delivery(event_id)
    assert (delivery["status"], delivery["note"]) == ("succeeded", "done by the other")
    assert [(a["number"], a["result"], a["worker"]) for a in delivery["history"]] == [
        (1, "crashed", "worker-1"),
        (2, "succeeded", "worker-2"),
    ]


def test_nobody_is_told_of_an_outcome_that_comes_too_late(
    open_workbench: OpenWorkbench, clock: Clock, log_lines: list[Any]
) -> None:
    gate = _Gate()

    def act(event: Event, ctx: Context) -> None:
        gate.wait(event, ctx)
        raise Fail("hopeless")

    bench = open_workbench(act)
    job = _run_aside(lambda: bench.deliver(BODY))
    wait_until(lambda: gate.begun, "the handler")
    clock.advance(LEASE.total_seconds() + 1)
    take_lost(bench.database, clock())
    gate.open.set()
    job.join()

    assert bench.alerts() == []
    assert "outcome_came_too_late" in [line["event"] for line in log_lines]
    assert bench.delivery(arrival_of(BODY).id)["status"] == "pending"


def test_a_handler_that_was_given_up_on_begins_no_further_step(
    open_workbench: OpenWorkbench,
) -> None:
    gate = _Gate()
    orders: list[int] = []
    errors: list[BaseException] = []

    def act(event: Event, ctx: Context) -> None:
        gate.wait(event, ctx)
        try:
            ctx.step("order", lambda: orders.append(1))
        except BaseException as error:
            errors.append(error)
            raise

    bench = open_workbench(handler(act, timeout=0.1))
    event_id = bench.deliver_one(BODY)
    assert bench.delivery(event_id)["status"] == "retrying"
    gate.open.set()

    wait_until(lambda: errors, "the end of the handler")
    assert [type(error).__name__ for error in errors] == ["LostClaimError"]
    assert orders == []


def test_when_it_has_to_stop_what_has_begun_is_finished_and_the_rest_handed_back(
    open_workbench: OpenWorkbench,
) -> None:
    gate = _Gate()
    bench = open_workbench(handler(gate.wait, name="act"), threads=HandlerThreads(1))
    bodies = [_order(1, "09:30:01"), _order(1, "09:30:02", "order.shipped"), _order(2, "09:30:03")]
    begun, same_entity, other_entity = (arrival_of(body).id for body in bodies)
    job = _run_aside(lambda: bench.deliver(*bodies))
    wait_until(lambda: gate.begun, "the handler")

    bench.runtime.stopping.set()

    def statuses() -> set[str]:
        return {bench.delivery(event_id)["status"] for event_id in (same_entity, other_entity)}

    wait_until(lambda: statuses() == {"pending"}, "the handing back")
    assert job.is_alive()
    gate.open.set()
    job.join(5)
    assert bench.delivery(begun)["status"] == "succeeded"
    assert gate.begun == [begun]
    for event_id in (same_entity, other_entity):
        delivery = bench.delivery(event_id)
        # An attempt that wasn't begun doesn't count.
        assert (delivery["status"], delivery["attempts"]) == ("pending", 0)
        assert delivery["history"] == []


def test_what_was_handed_back_is_due_at_once_for_another_worker(
    open_workbench: OpenWorkbench,
) -> None:
    gate, log = _Gate(), _Log()
    bench = open_workbench(handler(gate.wait, name="act"), threads=HandlerThreads(1))
    bodies = [_order(1, "09:30:01"), _order(2, "09:30:02")]
    job = _run_aside(lambda: bench.deliver(*bodies))
    wait_until(lambda: gate.begun, "the handler")
    (handed_back,) = {arrival_of(body).id for body in bodies} - set(gate.begun)
    bench.runtime.stopping.set()
    wait_until(lambda: bench.delivery(handed_back)["status"] == "pending", "the handing back")
    gate.open.set()
    job.join(5)

    assert take(bench.database, bench.clock()).events == [handed_back]
    other = open_workbench(handler(log.count, name="act"), worker="worker-2")
    other.run(handed_back)

    assert log.lines == [handed_back]
    assert other.delivery(handed_back)["attempts"] == 1


def test_what_does_not_end_in_time_is_left_to_its_lease(open_workbench: OpenWorkbench) -> None:
    gate = _Gate()
    bench = open_workbench(handler(gate.wait, name="act"), shutdown_grace=timedelta(seconds=0.1))
    event_id = arrival_of(BODY).id
    job = _run_aside(lambda: bench.deliver(BODY))
    wait_until(lambda: gate.begun, "the handler")

    bench.runtime.stopping.set()
    job.join(5)

    assert not job.is_alive()
    assert gate.ended == []
    assert bench.delivery(event_id)["status"] == "running"
    assert bench.lease_of(event_id, "act") == NOW + LEASE
    gate.open.set()


def test_a_job_that_starts_while_the_worker_stops_loses_nothing(
    open_workbench: OpenWorkbench,
) -> None:
    log = _Log()
    bench = open_workbench(handler(log.count, name="act"), threads=HandlerThreads(1))
    bench.runtime.stopping.set()

    events = bench.deliver(*(body_of() for _ in range(20)))

    statuses = Counter(bench.delivery(event_id)["status"] for event_id in events)
    assert statuses["succeeded"] == len(log.lines)
    assert statuses["succeeded"] + statuses["pending"] == 20
