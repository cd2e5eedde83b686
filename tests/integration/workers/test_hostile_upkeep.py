"""What is written into Redis by others doesn't keep lost jobs from being found again."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.events import EventId
from core.ledger.database import Database
from core.queue import (
    EVENTS_QUEUE,
    PENDING_KEY,
    JobQueue,
    enqueue_alert,
    enqueue_batch,
    open_queue,
    to_wire,
)
from tests.support.hostile_jobs import HostileJob, all_of_them, call
from tests.support.kept import events_in
from tests.support.ledgers import arrival_of
from tests.support.workbench import Clock
from workers.recovery import PATIENCE, SET_ASIDE_KEY
from workers.rq_worker import LeanWorker
from workers.sweep import Sweep

Work = Callable[[], None]

HOSTILE = all_of_them("http://127.0.0.1:9/")


@pytest.fixture
def queue(redis_client: "redis.Redis") -> JobQueue:
    return open_queue(EVENTS_QUEUE, redis_client)


@pytest.fixture
def sweep(sqlite_database: Database, queue: JobQueue, clock: Clock) -> Sweep:
    return Sweep(database=sqlite_database, events=queue, alerts=None, now=clock)


def _lose_one(queue: JobQueue) -> EventId:
    """Lose a genuine job: it is pending for long, and in no list."""
    arrival = arrival_of()
    with queue.connection.pipeline(transaction=True) as pipeline:
        job_id = enqueue_batch(queue, [to_wire(arrival)], pipeline)
        pipeline.execute()
    assert queue.connection.lrem(queue.key, 1, job_id) == 1
    _age(queue.connection, job_id)
    return arrival.id


def _age(client: Any, *entries: str | bytes) -> None:
    then = (time.time() - PATIENCE.total_seconds() - 1) * 1000
    for entry in entries:
        client.zadd(PENDING_KEY, {entry: then})


@pytest.mark.parametrize("job", HOSTILE, ids=lambda job: job.name)
def test_the_sweep_finds_a_lost_job_behind_a_hostile_one(
    sweep: Sweep, queue: JobQueue, redis_client: "redis.Redis", job: HostileJob
) -> None:
    job.write(redis_client)
    _age(redis_client, job.job_id)
    lost = _lose_one(queue)

    sweep.run()
    sweep.run()

    restored = [e.id for e in _readable_events(redis_client, but=job.job_id)]
    assert restored == [lost]
    # It is looked at once more in a while, or never again.
    assert redis_client.zcount(PENDING_KEY, 0, (time.time() - PATIENCE.total_seconds()) * 1000) == 0


def _readable_events(client: Any, *, but: bytes) -> list[Any]:
    client.lrem(f"rq:queue:{EVENTS_QUEUE}", 0, but)
    return events_in(client)


@pytest.mark.parametrize(
    "job",
    [
        HostileJob("foreign", call("os.system", "touch sprung"), id=b"foreign"),
        HostileJob("no-json", b"{", id=b"no-json"),
        HostileJob("no-arguments", b'["workers.dispatch.dispatch",null,5,{}]', id=b"no-arguments"),
        HostileJob("a-string", b"", id=b"a-string", key=b"no hash"),
        HostileJob("no-id", call("os.system"), id=b"no id, \xff"),
    ],
    ids=lambda job: job.name,
)
def test_what_is_none_of_ours_is_set_aside_as_it_is(
    sweep: Sweep,
    redis_client: "redis.Redis",
    log_lines: list[dict[str, object]],
    job: HostileJob,
) -> None:
    job.write(redis_client)
    _age(redis_client, job.job_id)
    before = redis_client.dump(b"rq:job:" + job.job_id)

    sweep.run()

    assert redis_client.zcard(PENDING_KEY) == 0
    assert redis_client.zrange(SET_ASIDE_KEY, 0, -1) == [job.job_id]
    assert redis_client.llen(f"rq:queue:{EVENTS_QUEUE}") == 0
    assert redis_client.dump(b"rq:job:" + job.job_id) == before
    assert [line["kept_in"] for line in log_lines if line["event"] == "job_set_aside"] == [
        SET_ASIDE_KEY
    ]


def test_an_alerts_job_is_never_queued_for_events(
    sweep: Sweep, queue: JobQueue, redis_client: "redis.Redis"
) -> None:
    with redis_client.pipeline(transaction=True) as pipeline:
        enqueue_alert(queue, "disk full", pipeline)
        pipeline.execute()
    (job_id,) = queue.job_ids
    assert redis_client.lrem(queue.key, 1, job_id) == 1
    _age(redis_client, job_id)

    sweep.run()

    assert redis_client.llen(queue.key) == 0
    assert redis_client.zrange(SET_ASIDE_KEY, 0, -1) == [job_id.encode()]


def test_workers_go_on_looking_after_lost_jobs(
    queue: JobQueue, redis_client: "redis.Redis"
) -> None:
    worker = LeanWorker(queue, name="worker-1", stopping=threading.Event())
    for job in HOSTILE:
        job.queue(redis_client)
    while worker.dequeue_job_and_maintain_ttl(None) is not None:
        pass
    arrival = arrival_of()
    with redis_client.pipeline(transaction=True) as pipeline:
        job_id = enqueue_batch(queue, [to_wire(arrival)], pipeline)
        pipeline.execute()
    redis_client.lmove(queue.key, queue.intermediate_queue.key, "RIGHT", "RIGHT")
    redis_client.set(queue.intermediate_queue.get_first_seen_key(job_id), time.time() - 61)

    worker.clean_registries()  # type: ignore[no-untyped-call]

    assert [e.id for e in events_in(redis_client)] == [arrival.id]


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    fields=st.dictionaries(
        st.sampled_from(
            (
                "data",
                "status",
                "origin",
                "created_at",
                "retries_left",
                "timeout",
                "meta",
                "webhooks",
            )
        ),
        st.binary(max_size=20) | st.text(max_size=20).map(str.encode),
        min_size=1,
    )
)
def test_whatever_a_jobs_hash_holds_neither_worker_nor_sweep_trips_over_it(
    sweep: Sweep, queue: JobQueue, redis_client: "redis.Redis", fields: dict[str, bytes]
) -> None:
    redis_client.flushall()
    redis_client.hset("rq:job:hostile", mapping=fields)  # type: ignore[arg-type]
    redis_client.rpush(queue.key, "hostile")
    worker = LeanWorker(queue, name="worker-1", stopping=threading.Event())
    worker.bootstrap()

    while (found := worker.dequeue_job_and_maintain_ttl(None)) is not None:
        worker.execute_job(*found)
    redis_client.delete(queue.key)
    _age(redis_client, "hostile")
    lost = _lose_one(queue)
    sweep.run()

    assert lost in [e.id for e in _readable_events(redis_client, but=b"hostile")]
