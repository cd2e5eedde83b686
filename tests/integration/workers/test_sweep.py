"""The sweep queues what is due, and loses nothing when it fails."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from core.alerts import Alert
from core.events import EventId
from core.ledger.alerts import raise_alerts
from core.ledger.claims import hand_back
from core.ledger.database import Database
from core.ledger.due import MAX_CRASHES, QUEUED_FOR
from core.ledger.models import AlertState
from core.queue import ALERTS_QUEUE, BATCH_EVENTS, EVENTS_QUEUE, JobQueue, connect, open_queue
from handlers import Context, Event, Retry
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW, admit, arrival_of, claim_share, lease_of
from tests.support.redis_server import RedisServer
from tests.support.workbench import Clock, Workbench, handler
from workers.runtime import LEASE
from workers.sweep import Sweep

OpenSweep = Callable[..., Sweep]


@pytest.fixture
def open_sweep(database: Database, clock: Clock) -> OpenSweep:
    """Makes a sweep of the ledger that queues into a Redis."""

    def open_one(client: "redis.Redis", *, tells_people: bool = True) -> Sweep:
        return Sweep(
            database=database,
            events=open_queue(EVENTS_QUEUE, client),
            alerts=open_queue(ALERTS_QUEUE, client) if tells_people else None,
            now=clock,
        )

    return open_one


@pytest.fixture
def sweep(open_sweep: OpenSweep, redis_client: "redis.Redis") -> Sweep:
    """A sweep of the ledger."""
    return open_sweep(redis_client)


def _queued(queue: JobQueue) -> list[list[str]]:
    """The arguments of each job, oldest first; of a job of events, their ids."""
    found = []
    for job in queue.get_jobs():
        (argument,) = job.args
        found.append([argument] if isinstance(argument, str) else [e["id"] for e in argument])
    return found


def _events(client: "redis.Redis") -> list[list[str]]:
    return _queued(open_queue(EVENTS_QUEUE, client))


def _later(_: Event, ctx: Context) -> str:
    if ctx.attempt == 1:
        raise Retry(after=60)
    return "done"


def test_a_retry_is_queued_when_its_time_has_come(
    open_workbench: OpenWorkbench, sweep: Sweep, redis_client: "redis.Redis", clock: Clock
) -> None:
    bench = open_workbench(handler(_later, name="act"))
    event_id = bench.deliver_one(body_of())
    clock.advance(59)
    sweep.run()
    assert _events(redis_client) == []

    clock.advance(1)
    sweep.run()

    assert _events(redis_client) == [[event_id]]
    bench.run(event_id)
    assert bench.delivery(event_id)["status"] == "succeeded"


def test_what_is_queued_is_not_queued_again(
    open_workbench: OpenWorkbench, sweep: Sweep, redis_client: "redis.Redis", clock: Clock
) -> None:
    open_workbench(handler(_later, name="act")).deliver(body_of())
    clock.advance(60)
    sweep.run()

    clock.advance(QUEUED_FOR.total_seconds() - 1)
    sweep.run()

    assert len(_events(redis_client)) == 1


def test_what_was_queued_and_lost_is_queued_again(
    open_workbench: OpenWorkbench, sweep: Sweep, redis_client: "redis.Redis", clock: Clock
) -> None:
    event_id = open_workbench(handler(_later, name="act")).deliver_one(body_of())
    clock.advance(60)
    sweep.run()
    redis_client.flushall()

    clock.advance(QUEUED_FOR.total_seconds())
    sweep.run()

    assert _events(redis_client) == [[event_id]]


def test_an_event_with_several_due_deliveries_is_queued_once(
    open_workbench: OpenWorkbench, sweep: Sweep, redis_client: "redis.Redis", clock: Clock
) -> None:
    bench = open_workbench(handler(_later, name="one"), handler(_later, name="other"))
    event_id = bench.deliver_one(body_of())
    clock.advance(60)

    sweep.run()
    bench.run(event_id)

    assert _events(redis_client) == [[event_id]]
    assert bench.statuses(event_id) == {"one": "succeeded", "other": "succeeded"}


def test_many_are_queued_in_batches(
    open_workbench: OpenWorkbench, sweep: Sweep, redis_client: "redis.Redis", clock: Clock
) -> None:
    bench = open_workbench(handler(_later, name="act"))
    events = bench.deliver(*(body_of() for _ in range(150)))
    clock.advance(60)

    has_more = sweep.run()

    jobs = _events(redis_client)
    assert [len(job) for job in jobs] == [64, 64, 22]
    assert BATCH_EVENTS == 64
    assert sorted(event_id for job in jobs for event_id in job) == sorted(events)
    assert not has_more


def test_what_does_not_fit_into_one_pass_is_left_to_the_next(
    database: Database, sweep: Sweep, redis_client: "redis.Redis"
) -> None:
    admitted = admit(database, [arrival_of() for _ in range(700)])
    hand_back(database, admitted, lease_of())

    passes = [sweep.run(), sweep.run(), sweep.run()]

    assert passes == [True, False, False]
    assert sum(len(job) for job in _events(redis_client)) == 700


def test_two_sweeps_at_once_queue_each_delivery_once(
    open_workbench: OpenWorkbench,
    open_sweep: OpenSweep,
    redis_client: "redis.Redis",
    clock: Clock,
) -> None:
    bench = open_workbench(handler(_later, name="act"))
    events = bench.deliver(*(body_of() for _ in range(100)))
    clock.advance(60)

    threads = [
        threading.Thread(target=open_sweep(redis_client).run, name="sweep") for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(e for job in _events(redis_client) for e in job) == sorted(events)


def test_what_a_lost_worker_had_begun_is_recorded_as_crashed_and_run_again(
    open_workbench: OpenWorkbench,
    database: Database,
    sweep: Sweep,
    redis_client: "redis.Redis",
    clock: Clock,
) -> None:
    arrival = arrival_of()
    admit(database, [arrival], ["act"], lease_of("worker-lost"))
    clock.advance(LEASE.total_seconds() - 1)
    sweep.run()
    assert _events(redis_client) == []

    clock.advance(1)
    sweep.run()

    assert _events(redis_client) == [[arrival.id]]

    def act(_: Event, ctx: Context) -> str:
        return f"attempt {ctx.attempt}"

    bench = open_workbench(act)
    bench.run_share(arrival.id, "act")
    delivery = bench.delivery(arrival.id)
    assert (delivery["status"], delivery["note"]) == ("succeeded", "attempt 2")
    crashed, succeeded = delivery["history"]
    assert crashed == {
        "number": 1,
        "started_at": "2026-03-01T09:30:00.000Z",
        "duration_ms": None,
        "result": "crashed",
        "error": {
            "type": "WorkerLost",
            "message": "worker worker-lost went silent; noticed at 2026-03-01T09:30:30Z",
            "traceback": None,
        },
        "worker": "worker-lost",
        "api_calls": [],
    }
    assert succeeded["result"] == "succeeded"


def _due_deliveries(bench: Workbench, count: int) -> list[EventId]:
    events = bench.deliver(*(body_of() for _ in range(count)))
    bench.clock.advance(60)
    return events


def test_what_redis_does_not_take_is_due_again_at_once(
    open_workbench: OpenWorkbench, open_sweep: OpenSweep, own_redis: RedisServer
) -> None:
    bench = open_workbench(handler(_later, name="act"))
    events = _due_deliveries(bench, 70)
    own_redis.stop()
    with connect(own_redis.url, timeout=timedelta(seconds=2)) as client:
        with pytest.raises(redis.ConnectionError):
            open_sweep(client).run()

        own_redis.start()
        open_sweep(client).run()

        assert sorted(e for job in _events(client) for e in job) == sorted(events)


def _raise(database: Database, fingerprint: str = "channel.error:amazon", **values: Any) -> None:
    alert = Alert("amazon: the connection fails", fingerprint, **values)
    with database.write() as connection:
        raise_alerts(database, connection, [alert], NOW)


def test_an_alert_is_queued_by_its_fingerprint(
    database: Database, sweep: Sweep, redis_client: "redis.Redis"
) -> None:
    _raise(database)

    sweep.run()
    sweep.run()

    assert _queued(open_queue(ALERTS_QUEUE, redis_client)) == [["channel.error:amazon"]]


def test_an_alert_that_nobody_sends_is_queued_again(
    database: Database, sweep: Sweep, redis_client: "redis.Redis", clock: Clock
) -> None:
    _raise(database)
    sweep.run()
    redis_client.flushall()

    clock.advance(300)
    sweep.run()

    assert _queued(open_queue(ALERTS_QUEUE, redis_client)) == [["channel.error:amazon"]]


def test_where_nobody_is_to_be_told_alerts_become_lines_of_the_log(
    open_workbench: OpenWorkbench,
    open_sweep: OpenSweep,
    database: Database,
    redis_client: "redis.Redis",
    log_lines: list[Any],
) -> None:
    sweep = open_sweep(redis_client, tells_people=False)
    _raise(database, body="401 from the channel", event_id="evt_1", handler="act")

    sweep.run()
    sweep.run()

    assert log_lines == [
        {
            "event": "alert",
            "log_level": "warning",
            "severity": "warning",
            "title": "amazon: the connection fails",
            "fingerprint": "channel.error:amazon",
            "occurrences": 1,
            "event_id": "evt_1",
            "handler": "act",
            "body": "401 from the channel",
        }
    ]
    (alert,) = open_workbench().alerts()
    assert alert["state"] == AlertState.LOGGED
    assert redis_client.keys("rq:*") == []


def test_a_handler_that_ends_its_worker_does_not_take_the_others_along(
    open_workbench: OpenWorkbench,
    database: Database,
    sweep: Sweep,
    redis_client: "redis.Redis",
    clock: Clock,
) -> None:
    """Three workers die in one delivery; the rest of its batch ends well after the first."""
    deadly, harmless = arrival_of(), arrival_of()
    admit(database, [deadly, harmless], ["act"], lease_of("worker-lost"))

    def act(event: Event, _: Context) -> str:
        assert event.id == harmless.id
        return "done"

    bench = open_workbench(act)
    clock.advance(LEASE.total_seconds())
    sweep.run()
    assert sorted(_events(redis_client)) == sorted([[deadly.id], [harmless.id]])
    bench.run_share(harmless.id, "act")
    for _ in range(MAX_CRASHES - 1):
        claim_share(database, deadly.id, "act", lease_of("worker-lost", now=clock()))
        clock.advance(LEASE.total_seconds())
        sweep.run()

    assert bench.statuses(harmless.id) == {"act": "succeeded"}
    assert bench.statuses(deadly.id) == {"act": "dead"}
