"""A handler that is ordered takes one entity's events one after the other."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from core.events import EventId
from core.ledger import due
from core.ledger.models import DeliveryRecord
from handlers import Event, Fail, OrderEvent, Retry
from handlers.context import Context
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.ledgers import belongs_to, take
from tests.support.waiting import wait_until
from tests.support.workbench import Clock, Workbench, handler


def _body(event: str, second: int, order: str = "ord_1") -> bytes:
    created_at = f"2026-03-01T09:30:{second:02}Z"
    return orjson.dumps({"event": event, "created_at": created_at, "data": {"id": order}})


NEW, SHIPPED, CANCELLED = (
    _body("order.new", 1),
    _body("order.shipped", 2),
    _body("order.cancelled", 3),
)


class _Log:
    """A handler that notes what it sees, and ends as it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.endings: dict[str, list[Exception]] = {}

    def note(self, event: Event, _: Context) -> None:
        self.seen.append(event.type)
        if endings := self.endings.get(event.type):
            raise endings.pop(0)


@pytest.fixture
def log() -> _Log:
    return _Log()


@pytest.fixture
def bench(open_workbench: OpenWorkbench, log: _Log) -> Workbench:
    return open_workbench(handler(log.note, name="act", ordered=True))


def _status(bench: Workbench, event_id: EventId) -> str:
    status: str = bench.delivery(event_id)["status"]
    return status


def test_the_next_event_waits_while_the_one_before_is_retried(bench: Workbench, log: _Log) -> None:
    log.endings["order.new"] = [Retry(after=60)]
    new, shipped = bench.deliver(NEW, SHIPPED)

    assert log.seen == ["order.new"]
    assert (_status(bench, new), _status(bench, shipped)) == ("retrying", "pending")
    assert bench.delivery(shipped)["attempts"] == 0


def test_the_next_event_follows_at_once_when_the_one_before_has_ended(
    bench: Workbench, log: _Log
) -> None:
    log.endings["order.new"] = [Retry(after=60)]
    new, shipped = bench.deliver(NEW, SHIPPED)
    cancelled = bench.deliver_one(CANCELLED)

    bench.run_when_due(new, "act")

    assert log.seen == ["order.new", "order.new", "order.shipped", "order.cancelled"]
    assert [_status(bench, e) for e in (new, shipped, cancelled)] == ["succeeded"] * 3


def test_a_lane_goes_on_after_a_dead_delivery(bench: Workbench, log: _Log) -> None:
    log.endings["order.new"] = [Fail("broken")]

    events = bench.deliver(SHIPPED, NEW)

    assert log.seen == ["order.new", "order.shipped"]
    assert [_status(bench, e) for e in events] == ["succeeded", "dead"]


def test_an_event_that_comes_by_itself_waits_too(bench: Workbench, log: _Log) -> None:
    log.endings["order.new"] = [Retry(after=60)]
    bench.deliver(NEW)

    shipped = bench.deliver_one(SHIPPED)

    assert log.seen == ["order.new"]
    assert _status(bench, shipped) == "pending"


def test_an_earlier_event_that_comes_late_does_not_wait(bench: Workbench, log: _Log) -> None:
    log.endings["order.shipped"] = [Retry(after=60)]
    bench.deliver(SHIPPED)

    new = bench.deliver_one(NEW)

    assert log.seen == ["order.shipped", "order.new"]
    assert _status(bench, new) == "succeeded"


def test_events_of_one_second_are_taken_as_they_came(
    bench: Workbench, log: _Log, clock: Clock
) -> None:
    log.endings["order.b"] = [Retry(after=60)]
    first = bench.deliver_one(_body("order.b", 1))
    clock.advance(0.001)

    bench.deliver(_body("order.a", 1))
    assert log.seen == ["order.b"]
    bench.run_when_due(first, "act")

    assert log.seen == ["order.b", "order.b", "order.a"]


def test_other_entities_and_other_handlers_do_not_wait(
    open_workbench: OpenWorkbench, log: _Log
) -> None:
    def free(_: OrderEvent, __: Context) -> None: ...

    log.endings["order.new"] = [Retry(after=60)]
    bench = open_workbench(
        handler(log.note, name="act", ordered=True), handler(free, name="free", ordered=True)
    )
    _, shipped, elsewhere = bench.deliver(NEW, SHIPPED, _body("order.shipped", 9, "ord_2"))

    assert bench.statuses(shipped) == {"act": "pending", "free": "succeeded"}
    assert bench.statuses(elsewhere) == {"act": "succeeded", "free": "succeeded"}


def test_an_event_without_an_entity_waits_for_nobody(bench: Workbench) -> None:
    bodies = [
        b'{"event":"order.new","created_at":"2026-03-01T09:30:0%dZ","data":{}}' % number
        for number in (1, 2)
    ]

    assert [_status(bench, e) for e in bench.deliver(*bodies)] == ["succeeded"] * 2


def test_two_workers_never_have_one_lane_at_once(open_workbench: OpenWorkbench, log: _Log) -> None:
    may_end = threading.Event()
    begun: list[str] = []

    def hold(event: Event, _: Context) -> None:
        begun.append(event.type)
        may_end.wait(20)

    one = open_workbench(handler(hold, name="act", ordered=True), worker="worker-1")
    other = open_workbench(handler(log.note, name="act", ordered=True), worker="worker-2")
    job = threading.Thread(target=one.deliver, args=(NEW,))
    job.start()
    wait_until(lambda: begun, "the first handler")

    shipped = other.deliver_one(SHIPPED)
    assert _status(other, shipped) == "pending"
    assert log.seen == []
    may_end.set()
    job.join()

    # The worker that ended the first goes on with the second.
    assert begun == ["order.new", "order.shipped"]
    assert _status(other, shipped) == "succeeded"


def test_the_sweep_leaves_what_waits_for_its_turn(
    bench: Workbench, log: _Log, clock: Clock
) -> None:
    log.endings["order.new"] = [Retry(after=10**6)]
    _, shipped = bench.deliver(NEW, SHIPPED)

    for _ in range(3):
        clock.advance(due.QUEUED_FOR.total_seconds())
        assert take(bench.database, clock()).events == []

    assert _status(bench, shipped) == "pending"


def test_the_sweep_finds_whose_turn_has_come_unnoticed(
    bench: Workbench, log: _Log, clock: Clock, make_dead: Callable[[EventId], None]
) -> None:
    log.endings["order.new"] = [Retry(after=10**6)]
    new, shipped = bench.deliver(NEW, SHIPPED)
    make_dead(new)

    clock.advance(due.QUEUED_FOR.total_seconds())
    assert take(bench.database, clock()).events == [shipped]
    bench.run(shipped)

    assert _status(bench, shipped) == "succeeded"


def test_one_in_which_a_worker_has_died_is_left_to_travel_alone(
    bench: Workbench, log: _Log, clock: Clock
) -> None:
    log.endings["order.new"] = [Retry(after=60)]
    new, shipped = bench.deliver(NEW, SHIPPED)
    with bench.database.write() as connection:
        crashed = sa.update(DeliveryRecord).where(belongs_to(DeliveryRecord, shipped))
        connection.execute(crashed.values(crashes=1))

    bench.run_when_due(new, "act")
    assert log.seen == ["order.new", "order.new"]

    clock.advance(due.QUEUED_FOR.total_seconds())
    assert take(bench.database, clock()).suspects == [(shipped, "act")]


@pytest.fixture
def make_dead(bench: Workbench) -> Callable[[EventId], None]:
    """Ends a delivery behind the workers' backs, as a sweep can that finds its workers dead."""

    def kill(event_id: EventId) -> None:
        database = bench.database
        with database.write() as connection:
            killed = sa.update(DeliveryRecord).where(belongs_to(DeliveryRecord, event_id))
            connection.execute(killed.values(status="dead"))

    return kill


def test_a_worker_that_stops_leaves_the_lane_to_others(
    open_workbench: OpenWorkbench, log: _Log
) -> None:
    stopping = threading.Event()

    def stop(event: Event, _: Context) -> Any:
        log.seen.append(event.type)
        stopping.set()

    options: dict[str, Any] = {"stopping": stopping, "shutdown_grace": timedelta(seconds=5)}
    bench = open_workbench(handler(stop, name="act", ordered=True), **options)

    new, shipped = bench.deliver(NEW, SHIPPED)

    assert log.seen == ["order.new"]
    assert (_status(bench, new), _status(bench, shipped)) == ("succeeded", "pending")
