"""Jobs that RQ or Redis has lost come back."""

import time
from collections.abc import Callable

import pytest
import redis
from rq.job import JobStatus

from core.events import EventId
from core.ledger.database import Database
from core.queue import EVENTS_QUEUE, PENDING_KEY, JobQueue, enqueue_batch, open_queue, to_wire
from tests.support.deliveries import body_of
from tests.support.kept import events_in
from tests.support.ledgers import arrival_of
from tests.support.workbench import Clock
from workers.recovery import PATIENCE, TAKEN_FOR, Recovery
from workers.sweep import Sweep

Enqueue = Callable[[], tuple[str, EventId]]


@pytest.fixture
def queue(redis_client: "redis.Redis") -> JobQueue:
    return open_queue(EVENTS_QUEUE, redis_client)


@pytest.fixture
def enqueue(queue: JobQueue) -> Enqueue:
    """Queues one new event, as the receiver does; returns the ids of job and event."""

    def queue_one() -> tuple[str, EventId]:
        arrival = arrival_of(body_of())
        with queue.connection.pipeline(transaction=True) as pipeline:
            job_id = enqueue_batch(queue, [to_wire(arrival)], pipeline)
            pipeline.execute()
        return job_id, arrival.id

    return queue_one


def age(
    client: "redis.Redis", *job_ids: str, seconds: float = PATIENCE.total_seconds() + 1
) -> None:
    """Make it so long since these jobs were queued."""
    then = int((time.time() - seconds) * 1000)
    client.zadd(PENDING_KEY, dict.fromkeys(job_ids, then), xx=True)


def lose(queue: JobQueue, job_id: str) -> None:
    """Take a job's id off its queue, as a worker that dies just then can."""
    assert queue.connection.lrem(queue.key, 1, job_id) == 1


def finish(queue: JobQueue, job_id: str) -> None:
    """Leave a job as a worker leaves it that has done it."""
    lose(queue, job_id)
    queue.connection.zrem(PENDING_KEY, job_id)
    queue.connection.delete(f"rq:job:{job_id}")


def waiting(client: "redis.Redis") -> list[EventId]:
    return [arrival.id for arrival in events_in(client)]


def test_a_job_that_is_in_no_list_is_queued_again(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    job_id, event_id = enqueue()
    lose(queue, job_id)
    age(redis_client, job_id)
    assert waiting(redis_client) == []

    Recovery(queue).run()

    assert waiting(redis_client) == [event_id]


def test_a_restored_job_is_not_restored_again_at_once(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    job_id, _ = enqueue()
    lose(queue, job_id)
    age(redis_client, job_id)
    Recovery(queue).run()
    lose(queue, job_id)

    Recovery(queue).run()

    assert waiting(redis_client) == []


def test_a_job_that_has_just_been_queued_is_not_missed_yet(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    job_id, _ = enqueue()
    lose(queue, job_id)
    age(redis_client, job_id, seconds=PATIENCE.total_seconds() - 5)

    Recovery(queue).run()

    assert waiting(redis_client) == []


def test_a_backlog_is_left_alone(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    jobs = [enqueue() for _ in range(20)]
    age(redis_client, *(job_id for job_id, _ in jobs))

    Recovery(queue).run()

    assert waiting(redis_client) == [event_id for _, event_id in jobs]


def test_the_lost_one_of_a_backlog_comes_back_once_it_should_have_had_its_turn(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    jobs = [enqueue() for _ in range(20)]
    for number, (job_id, _) in enumerate(jobs):
        age(redis_client, job_id, seconds=1000 - number)
    lost_job, lost_event = jobs[7]
    lose(queue, lost_job)
    events = [event_id for _, event_id in jobs]

    Recovery(queue).run()
    assert waiting(redis_client) == events[:7] + events[8:]

    for job_id, _ in jobs[:7]:
        finish(queue, job_id)
    Recovery(queue).run()
    assert waiting(redis_client) == [*events[8:], lost_event]


def test_one_that_was_queued_late_for_its_time_is_left_where_it_waits(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    # RQ queues a job once more at the end, and its time stays what it was.
    first, second = enqueue(), enqueue()
    age(redis_client, first[0], seconds=100)
    age(redis_client, second[0], seconds=1000)

    Recovery(queue).run()

    assert waiting(redis_client) == [first[1], second[1]]


def test_one_that_waits_behind_younger_ones_is_dated_anew_so_that_it_is_searched_for_once(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    (again, _), *others = [enqueue() for _ in range(3)]
    age(redis_client, *(job_id for job_id, _ in others))
    age(redis_client, again, seconds=3600)
    redis_client.rpush(queue.key, again)
    redis_client.lpop(queue.key)

    Recovery(queue).run()

    assert redis_client.zrevrange(PENDING_KEY, 0, 0) == [again.encode()]
    assert len(waiting(redis_client)) == 3


def test_a_job_whose_worker_has_been_silent_for_too_long_comes_back(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    job_id, event_id = enqueue()
    age(redis_client, job_id)
    lose(queue, job_id)
    redis_client.zadd(queue.started_job_registry.key, {f"{job_id}:execution": time.time() - 1})

    Recovery(queue).run()

    assert waiting(redis_client) == [event_id]


def test_a_job_that_stays_between_queue_and_worker_comes_back(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    moments = iter([0.0, TAKEN_FOR.total_seconds() - 1, TAKEN_FOR.total_seconds()])
    recovery = Recovery(queue, clock=lambda: next(moments))
    job_id, event_id = enqueue()
    age(redis_client, job_id)
    lose(queue, job_id)
    redis_client.rpush(queue.intermediate_queue.key, job_id)

    recovery.run()
    recovery.run()
    assert waiting(redis_client) == []
    recovery.run()

    assert waiting(redis_client) == [event_id]
    assert redis_client.llen(queue.intermediate_queue.key) == 0


@pytest.mark.parametrize("place", ["intermediate", "started"])
def test_a_job_that_a_worker_has_taken_is_left_to_it(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis", place: str
) -> None:
    job_id, _ = enqueue()
    age(redis_client, job_id)
    lose(queue, job_id)
    if place == "intermediate":
        redis_client.rpush(queue.intermediate_queue.key, job_id)
    else:
        redis_client.zadd(queue.started_job_registry.key, {f"{job_id}:execution": time.time() + 25})

    Recovery(queue).run()

    assert waiting(redis_client) == []


def test_a_lost_job_comes_back_however_many_older_ones_run(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    running = [enqueue()[0] for _ in range(60)]
    lost, event_id = enqueue()
    for job_id in (*running, lost):
        lose(queue, job_id)
    executions = [f"{job_id}:execution" for job_id in running]
    redis_client.zadd(queue.started_job_registry.key, dict.fromkeys(executions, time.time() + 25))
    age(redis_client, *running, seconds=1000)
    age(redis_client, lost)

    Recovery(queue).run()

    assert waiting(redis_client) == [event_id]


def test_a_job_that_failed_in_every_try_is_tried_again(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    job_id, event_id = enqueue()
    lose(queue, job_id)
    job = queue.fetch_job(job_id)
    assert job is not None
    job.retries_left = 0
    job.set_status(JobStatus.FAILED)
    job.save()
    queue.failed_job_registry.add(job, ttl=1000)
    age(redis_client, job_id)

    failed = Recovery(queue).run()

    assert failed == 1
    assert waiting(redis_client) == [event_id]
    restored = queue.fetch_job(job_id)
    assert restored is not None
    assert (restored.get_status(), restored.retries_left) == (JobStatus.QUEUED, 2)
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == []


def test_a_job_that_says_it_is_scheduled_and_is_in_no_registry_is_queued_again(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    # As RQ leaves a job whose delayed retry is cut off between two of its writes.
    job_id, event_id = enqueue()
    lose(queue, job_id)
    job = queue.fetch_job(job_id)
    assert job is not None
    job.set_status(JobStatus.SCHEDULED)
    age(redis_client, job_id)

    Recovery(queue).run()

    assert waiting(redis_client) == [event_id]


def test_a_job_that_is_done_leaves_the_pending_set(
    queue: JobQueue, enqueue: Enqueue, redis_client: "redis.Redis"
) -> None:
    finished, _ = enqueue()
    lose(queue, finished)
    job = queue.fetch_job(finished)
    assert job is not None
    job.set_status(JobStatus.FINISHED)
    expired, _ = enqueue()
    lose(queue, expired)
    redis_client.delete(f"rq:job:{expired}")
    age(redis_client, finished, expired)

    Recovery(queue).run()

    assert redis_client.zcard(PENDING_KEY) == 0
    assert waiting(redis_client) == []


def test_the_sweep_restores_jobs_and_tells_of_those_that_keep_failing(
    queue: JobQueue,
    enqueue: Enqueue,
    redis_client: "redis.Redis",
    sqlite_database: Database,
    clock: Clock,
    log_lines: list[dict[str, object]],
) -> None:
    job_id, event_id = enqueue()
    lose(queue, job_id)
    job = queue.fetch_job(job_id)
    assert job is not None
    job.set_status(JobStatus.FAILED)
    age(redis_client, job_id)

    Sweep(database=sqlite_database, events=queue, alerts=None, now=clock).run()

    assert waiting(redis_client) == [event_id]
    (alert,) = [line for line in log_lines if line["event"] == "alert"]
    assert (alert["fingerprint"], alert["severity"]) == ("job.failed", "critical")
