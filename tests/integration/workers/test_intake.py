"""A worker takes waiting jobs along while another runs."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from core.events import Arrival, EventId
from core.ledger import due
from core.queue import (
    EVENTS_QUEUE,
    PENDING_KEY,
    JobQueue,
    WireEvent,
    connect,
    enqueue_batch,
    open_queue,
    to_wire,
)
from handlers import OrderEvent
from handlers.context import Context
from handlers.registry import Handler
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.hostile_jobs import HostileJob
from tests.support.ledgers import arrival_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.support.workbench import Clock, Workbench, handler
from workers.intake import Intake
from workers.startup import REDIS_TIMEOUT
from workers.threads import HandlerThreads

SECONDS = 10

OpenBench = Callable[..., Workbench]


@pytest.fixture
def queue(redis_client: "redis.Redis") -> JobQueue:
    return open_queue(EVENTS_QUEUE, redis_client)


@pytest.fixture
def open_bench(open_workbench: OpenWorkbench, queue: JobQueue) -> OpenBench:
    """Makes workbenches that take jobs along."""

    def open_one(*handlers: Handler | Callable[..., Any], **options: Any) -> Workbench:
        return open_workbench(*handlers, intake=Intake(queue), **options)

    return open_one


def _enqueue(queue: JobQueue, *wires: WireEvent) -> str:
    """Queue one job."""
    with queue.connection.pipeline(transaction=True) as pipeline:
        job_id = enqueue_batch(queue, wires, pipeline)
        pipeline.execute()
    return job_id


def _arrive(queue: JobQueue, *bodies: bytes) -> list[Arrival]:
    """Queue one job for each body."""
    arrivals = [arrival_of(body) for body in bodies]
    for arrival in arrivals:
        _enqueue(queue, to_wire(arrival))
    return arrivals


def _status(bench: Workbench, event_id: EventId) -> str:
    status: str = bench.delivery(event_id)["status"]
    return status


def test_what_waits_is_handled_at_the_same_time(open_bench: OpenBench, queue: JobQueue) -> None:
    together = threading.Barrier(5)

    def meet(_: OrderEvent, __: Context) -> None:
        together.wait(SECONDS)

    bench = open_bench(meet)
    others = _arrive(queue, *(body_of() for _ in range(4)))

    first = bench.deliver_one(body_of())

    ids = [first, *(arrival.id for arrival in others)]
    assert [_status(bench, event_id) for event_id in ids] == ["succeeded"] * 5


def test_what_is_taken_along_leaves_nothing_in_redis(
    open_bench: OpenBench, queue: JobQueue, redis_client: "redis.Redis"
) -> None:
    bench = open_bench(handler(lambda *_: None, name="act"))
    (other,) = _arrive(queue, body_of())

    bench.deliver(body_of())

    assert _status(bench, other.id) == "succeeded"
    assert redis_client.keys() == [b"rq:queues"]


def test_what_arrives_while_a_handler_works_is_begun_soon(
    open_bench: OpenBench, queue: JobQueue
) -> None:
    second_has_run = threading.Event()

    def act(event: OrderEvent, _: Context) -> None:
        if event.type == "order.new":
            _arrive(queue, body_of("order.shipped", id="another"))
            assert second_has_run.wait(SECONDS)
        else:
            second_has_run.set()

    bench = open_bench(act)

    assert _status(bench, bench.deliver_one(body_of())) == "succeeded"


def test_slow_handlers_leave_to_others_what_they_have_no_threads_for(
    open_bench: OpenBench, queue: JobQueue
) -> None:
    waiting: list[int] = []
    both = threading.Barrier(2)

    def act(_: OrderEvent, __: Context) -> None:
        both.wait(SECONDS)
        threading.Event().wait(0.1)
        waiting.append(queue.count)

    bench = open_bench(act, threads=HandlerThreads(2))
    _arrive(queue, *(body_of() for _ in range(5)))

    bench.deliver(body_of())

    # Two of six run at a time, whatever waits.
    assert waiting[0] == 4
    assert waiting[2] >= 2


def test_an_entitys_events_keep_their_order_across_jobs(
    open_bench: OpenBench, queue: JobQueue
) -> None:
    seen: list[str] = []

    def act(event: OrderEvent, _: Context) -> None:
        seen.append(event.type)

    bench = open_bench(act)
    types = ["order.new", "order.shipped", "order.cancelled"]
    first, *others = (body_of(event, id="ord_1") for event in types)
    _arrive(queue, *others)

    bench.deliver(first)

    assert seen == types


def test_a_delivery_in_which_a_worker_has_died_is_not_taken_along(
    open_bench: OpenBench, queue: JobQueue
) -> None:
    bench = open_bench(handler(lambda *_: None, name="act"))
    share = _enqueue(queue, {"id": "evt_suspect", "handler": "act"})
    (behind,) = _arrive(queue, body_of())

    bench.deliver(body_of())

    assert queue.job_ids == [share]
    assert _status(bench, behind.id) == "succeeded"


def test_a_delivery_in_which_a_worker_has_died_takes_nothing_along(
    open_bench: OpenBench, queue: JobQueue
) -> None:
    bench = open_bench(handler(lambda *_: None, name="act"))
    _arrive(queue, body_of())

    bench.run_share(EventId("evt_suspect"), "act")

    assert queue.count == 1


@pytest.mark.parametrize(
    "hostile",
    [
        HostileJob("other-function", b'["os.system",null,["true"],{}]'),
        HostileJob("no-arguments", b'["workers.dispatch.dispatch",null,5,{}]'),
        HostileJob("no-hash", b"", key=b"text"),
        HostileJob("no-json", b"\xff"),
        HostileJob("no-id", b"[]", id=b"no id, \xff"),
    ],
    ids=lambda hostile: hostile.name,
)
def test_what_is_none_of_ours_is_left_to_rq(
    open_bench: OpenBench, queue: JobQueue, redis_client: "redis.Redis", hostile: HostileJob
) -> None:
    bench = open_bench(handler(lambda *_: None, name="act"))
    (before,) = _arrive(queue, body_of())
    hostile.write(redis_client)
    redis_client.rpush(queue.key, hostile.job_id)
    _arrive(queue, body_of())

    bench.deliver(body_of())

    assert _status(bench, before.id) == "succeeded"
    assert redis_client.lindex(queue.key, 0) == hostile.job_id
    assert redis_client.llen(queue.key) == 2
    assert redis_client.llen(queue.intermediate_queue.key) == 0


def test_a_job_that_fails_spoils_no_other(
    open_bench: OpenBench, queue: JobQueue, log_lines: list[Any]
) -> None:
    bench = open_bench(handler(lambda *_: None, name="act"))
    broken = to_wire(arrival_of(body_of())) | {"received_at": "once upon a time"}
    ids = [_enqueue(queue, broken), _enqueue(queue, to_wire(arrival_of(body_of())))]

    first = bench.deliver_one(body_of())

    assert _status(bench, first) == "succeeded"
    assert queue.job_ids == ids
    assert [line["event"] for line in log_lines if line["log_level"] == "error"] == [
        "jobs_not_taken_along"
    ]


def test_what_redis_could_not_be_told_of_is_not_handled_again(
    open_workbench: OpenWorkbench, own_redis: RedisServer
) -> None:
    connection = connect(own_redis.url, timeout=REDIS_TIMEOUT)
    queue = open_queue(EVENTS_QUEUE, connection)
    ran: list[str] = []
    bench = open_workbench(
        handler(lambda event, _: ran.append(event.id), name="act"), intake=_DyingIntake(queue)
    )
    (other,) = _arrive(queue, body_of())

    first = bench.deliver_one(body_of())
    bench.run(other.id)

    assert sorted(ran) == sorted([first, other.id])
    assert connection.zcard(PENDING_KEY) == 1
    assert connection.llen(queue.intermediate_queue.key) == 1
    connection.close()


class _DyingIntake(Intake):
    """The worker's words get lost after the ledger has the events."""

    def forget(self, jobs: Any) -> None:
        """Say nothing."""


def test_takes_nothing_while_the_ledger_is_away(
    open_workbench: OpenWorkbench, queue: JobQueue
) -> None:
    bench = open_workbench(
        handler(lambda *_: None, name="act"), intake=Intake(queue, may_take=lambda: False)
    )
    _arrive(queue, body_of())

    bench.deliver(body_of())

    assert queue.count == 1


def test_takes_nothing_when_it_has_to_stop(open_bench: OpenBench, queue: JobQueue) -> None:
    stopping = threading.Event()
    bench = open_bench(handler(lambda *_: stopping.set(), name="act"), stopping=stopping)
    bench.deliver(body_of())
    _arrive(queue, body_of())

    bench.deliver(body_of())

    assert queue.count == 1


def test_goes_on_while_redis_is_away(
    open_workbench: OpenWorkbench, own_redis: RedisServer, log_lines: list[Any]
) -> None:
    connection = connect(own_redis.url, timeout=REDIS_TIMEOUT)
    queue = open_queue(EVENTS_QUEUE, connection)
    bench = open_workbench(handler(lambda *_: None, name="act"), intake=Intake(queue))
    own_redis.kill()

    assert _status(bench, bench.deliver_one(body_of())) == "succeeded"
    assert "intake_failed" in [line["event"] for line in log_lines]
    connection.close()


def test_a_worker_that_dies_with_jobs_in_hand_leaves_them_to_the_sweep(
    open_bench: OpenBench, queue: JobQueue, clock: Clock
) -> None:
    begun, end = threading.Event(), threading.Event()

    def hang(event: OrderEvent, _: Context) -> None:
        if event.type == "order.shipped":
            begun.set()
        end.wait(SECONDS)

    bench = open_bench(hang)
    (other,) = _arrive(queue, body_of("order.shipped", id="another"))
    thread = threading.Thread(target=bench.deliver, args=(body_of(),))
    thread.start()
    wait_until(begun.is_set, "the job that is taken along")

    # The worker says nothing more: its lease runs out.
    clock.advance(31)
    due.release_lost(bench.database, clock(), limit=10)

    assert queue.connection.zcard(PENDING_KEY) == 0
    assert _status(bench, other.id) == "pending"
    end.set()
    thread.join()
