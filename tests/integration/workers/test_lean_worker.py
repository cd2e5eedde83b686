"""RQ's worker, made lean: it runs our jobs, loses none and keeps nothing."""

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from rq.job import Job, JobStatus
from rq.worker import SimpleWorker

from core.jobs import DISPATCH, GuardedJob, JSONSerializer
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
from tests.support.deliveries import body_of
from tests.support.ledgers import arrival_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from workers import dispatch, rq_worker, startup
from workers.rq_worker import LeanWorker

PRIVATE = "Private Person"


class _Dispatcher:
    """Stands where the dispatcher is bound, and does as the test says."""

    def __init__(self) -> None:
        self.jobs: list[list[WireEvent]] = []
        self.act: Callable[[], None] = lambda: None

    def run(self, events: list[WireEvent]) -> None:
        self.jobs.append(events)
        self.act()


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> _Dispatcher:
    """What this process's jobs run on."""
    bound = _Dispatcher()
    monkeypatch.setattr(dispatch, "_dispatcher", bound)
    return bound


@pytest.fixture
def stopping() -> threading.Event:
    """Set to have the workers stop."""
    return threading.Event()


OpenWorker = Callable[..., LeanWorker]


@pytest.fixture
def open_worker(stopping: threading.Event) -> Iterator[OpenWorker]:
    """Makes workers of the queue of events."""
    connections = []

    def open_one(url: str, name: str = "worker-1") -> LeanWorker:
        connection = connect(url, timeout=timedelta(seconds=10))
        connections.append(connection)
        queue = open_queue(EVENTS_QUEUE, connection)
        return LeanWorker(queue, name=name, stopping=stopping)

    yield open_one
    for connection in connections:
        connection.close()


def _enqueue(client: "redis.Redis", count: int = 1) -> list[str]:
    """Queue jobs as the receiver does; return their ids."""
    queue = open_queue(EVENTS_QUEUE, client)
    with client.pipeline(transaction=True) as pipeline:
        ids = [
            enqueue_batch(queue, [to_wire(arrival_of(body_of(name=PRIVATE)))], pipeline)
            for _ in range(count)
        ]
        pipeline.execute()
    return ids


def _job(client: "redis.Redis", job_id: str) -> Job:
    return GuardedJob.fetch(job_id, connection=client, serializer=JSONSerializer)


def _status(client: "redis.Redis", job_id: str) -> JobStatus:
    return _job(client, job_id).get_status(refresh=False)


def _fail() -> None:
    raise RuntimeError(f"could not write {PRIVATE}")


def test_runs_what_is_queued(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    ids = _enqueue(redis_client, 3)

    open_worker(redis_url).work(burst=True)

    assert len(dispatcher.jobs) == 3
    assert [_status(redis_client, job_id) for job_id in ids] == [JobStatus.FINISHED] * 3
    assert redis_client.zcard(PENDING_KEY) == 0


def test_what_is_done_leaves_redis_soon(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    (job_id,) = _enqueue(redis_client)

    open_worker(redis_url).work(burst=True)

    assert len(dispatcher.jobs) == 1
    assert 0 < redis_client.ttl(f"rq:job:{job_id}") <= 60
    assert redis_client.lrange("rq:queue:events:intermediate", 0, -1) == []


def test_a_job_that_fails_is_tried_again_and_stays_pending(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    (job_id,) = _enqueue(redis_client)
    dispatcher.act = _fail

    open_worker(redis_url).work(burst=True)

    assert len(dispatcher.jobs) == 3
    assert _status(redis_client, job_id) is JobStatus.FAILED
    assert redis_client.zscore(PENDING_KEY, job_id) is not None


def test_a_job_that_works_at_its_second_try_is_done(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    (job_id,) = _enqueue(redis_client)

    def fail_once() -> None:
        if len(dispatcher.jobs) == 1:
            _fail()

    dispatcher.act = fail_once
    open_worker(redis_url).work(burst=True)

    assert _status(redis_client, job_id) is JobStatus.FINISHED
    assert redis_client.zcard(PENDING_KEY) == 0


def test_redis_keeps_no_traceback_of_a_failed_job_and_the_log_no_payload(
    open_worker: OpenWorker,
    dispatcher: _Dispatcher,
    redis_client: "redis.Redis",
    redis_url: str,
    log_lines: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (job_id,) = _enqueue(redis_client)

    def fail() -> None:
        raise RuntimeError("the ledger is broken")

    dispatcher.act = fail
    open_worker(redis_url).work(burst=True)

    result = _job(redis_client, job_id).latest_result()
    assert result is not None
    assert result.exc_string == "RuntimeError"
    assert "Traceback" not in _everything_in(redis_client)
    assert PRIVATE not in _everything_in(redis_client, but=f"rq:job:{job_id}")
    failures = [line for line in log_lines if line["event"] == "job_failed"]
    assert [str(line["exc_info"][1]) for line in failures] == ["the ledger is broken"] * 3
    assert PRIVATE not in repr(log_lines) + caplog.text


def _everything_in(client: Any, *, but: str = "") -> str:
    """All that Redis holds, but for one key; what RQ compresses is read too."""
    found = []
    for key in client.scan_iter():
        if key.decode() == but:
            continue
        dumped = {
            b"string": lambda k: [client.get(k)],
            b"list": lambda k: client.lrange(k, 0, -1),
            b"set": client.smembers,
            b"zset": lambda k: client.zrange(k, 0, -1),
            b"hash": lambda k: client.hgetall(k).values(),
            b"stream": lambda k: [v for _, e in client.xrange(k) for v in e.values()],
        }[client.type(key)](key)
        found += [key, *map(_plain, dumped)]
    return b"\n".join(found).decode("utf-8", "backslashreplace")


def _plain(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def test_a_job_that_names_another_function_is_not_run(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    foreign = JobQueue(EVENTS_QUEUE, connection=redis_client, serializer=JSONSerializer)
    job = foreign.enqueue("os.getcwd")
    (ours,) = _enqueue(redis_client)

    open_worker(redis_url).work(burst=True)

    assert _job(redis_client, job.id).get_status(refresh=False) is JobStatus.FAILED
    assert _job(redis_client, ours).get_status(refresh=False) is JobStatus.FINISHED
    assert len(dispatcher.jobs) == 1


def _leases(client: Any) -> dict[bytes, float]:
    """When the lease on each running job ends."""
    return dict(client.zrange("rq:wip:events", 0, -1, withscores=True))


def _end_leases_in(client: Any, seconds: float) -> None:
    """Have the leases on all running jobs end then."""
    client.zadd("rq:wip:events", dict.fromkeys(_leases(client), time.time() + seconds))


def _lose_after_taking(client: "redis.Redis") -> None:
    """Take the next job as a worker does that dies just then."""
    assert client.lmove("rq:queue:events", "rq:queue:events:intermediate", "RIGHT", "LEFT")


def test_a_job_that_was_lost_when_it_was_taken_is_found_again(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    (job_id,) = _enqueue(redis_client)
    _lose_after_taking(redis_client)
    open_worker(redis_url).work(burst=True)
    assert dispatcher.jobs == []

    # A minute ago it was seen there for the first time.
    seen = f"rq:queue:events:intermediate:first_seen:{job_id}"
    redis_client.set(seen, float(redis_client.get(seen) or 0) - 61)
    open_worker(redis_url, "worker-2").work(burst=True)

    assert len(dispatcher.jobs) == 1
    assert _status(redis_client, job_id) is JobStatus.FINISHED
    assert redis_client.zcard(PENDING_KEY) == 0


def test_a_job_whose_worker_died_in_it_is_run_again(
    open_worker: OpenWorker, dispatcher: _Dispatcher, redis_client: "redis.Redis", redis_url: str
) -> None:
    (job_id,) = _enqueue(redis_client)
    dying = open_worker(redis_url, "worker-dies")
    taken = dying.dequeue_job_and_maintain_ttl(None)
    assert taken is not None
    job, _ = taken
    dying.prepare_execution(job)
    dying.prepare_job_execution(job, remove_from_intermediate_queue=True)

    _end_leases_in(redis_client, -1)
    redis_client.delete("rq:clean_registries:events")
    open_worker(redis_url, "worker-2").work(burst=True)

    assert len(dispatcher.jobs) == 1
    assert _status(redis_client, job_id) is JobStatus.FINISHED


def test_a_lease_on_a_job_is_short_and_kept_by_its_own_heartbeat(
    open_worker: OpenWorker,
    dispatcher: _Dispatcher,
    redis_client: "redis.Redis",
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rq_worker, "_HEARTBEAT_SECONDS", 0)
    _enqueue(redis_client)
    worker = open_worker(redis_url)
    seconds_left: list[float] = []

    def look() -> None:
        (end,) = _leases(redis_client).values()
        seconds_left.append(end - time.time())

    def run_for_long() -> None:
        look()
        _end_leases_in(redis_client, 5)
        worker.beat()
        look()

    dispatcher.act = run_for_long
    worker.work(burst=True)

    assert len(seconds_left) == 2
    assert all(20 < left < 32 for left in seconds_left)


def test_stops_soon_while_it_waits_for_jobs(
    open_worker: OpenWorker, redis_url: str, stopping: threading.Event
) -> None:
    worker = open_worker(redis_url)
    threading.Timer(0.3, stopping.set).start()

    started = time.monotonic()
    worker.work()

    assert 0.25 < time.monotonic() - started < 2.3


def test_stops_after_the_job_that_it_is_in(
    open_worker: OpenWorker,
    dispatcher: _Dispatcher,
    redis_client: "redis.Redis",
    redis_url: str,
    stopping: threading.Event,
) -> None:
    ids = _enqueue(redis_client, 2)
    dispatcher.act = stopping.set

    open_worker(redis_url).work()

    assert len(dispatcher.jobs) == 1
    assert sorted(_status(redis_client, job_id).value for job_id in ids) == [
        "finished",
        "queued",
    ]


def test_waits_for_redis_and_goes_on_when_it_is_back(
    open_worker: OpenWorker,
    dispatcher: _Dispatcher,
    own_redis: RedisServer,
    stopping: threading.Event,
) -> None:
    worker = open_worker(own_redis.url)

    def restart() -> None:
        own_redis.stop()
        own_redis.start()
        with own_redis.client() as client:
            _enqueue(client)

    dispatcher.act = stopping.set
    restarting = threading.Timer(0.3, restart)
    restarting.start()
    worker.work()
    restarting.join()

    assert len(dispatcher.jobs) == 1


def test_a_worker_whose_redis_goes_while_it_starts_waits_for_it(
    own_redis: RedisServer, stopping: threading.Event, log_lines: list[Any]
) -> None:
    with connect(own_redis.url, timeout=timedelta(seconds=10)) as connection:
        queue = open_queue(EVENTS_QUEUE, connection)
        own_redis.kill()
        opened: list[LeanWorker] = []
        opening = threading.Thread(
            target=lambda: opened.append(startup.open_worker(queue, stopping))
        )
        opening.start()
        wait_until(lambda: log_lines, "the complaint")

        own_redis.start()
        opening.join(20)

    assert len(opened) == 1
    assert [line["event"] for line in log_lines] == ["waiting", "waiting_over"]


def test_stops_soon_while_redis_is_away(
    open_worker: OpenWorker, own_redis: RedisServer, stopping: threading.Event
) -> None:
    worker = open_worker(own_redis.url)
    asked_to_stop_at: list[float] = []

    def stop() -> None:
        own_redis.stop()
        asked_to_stop_at.append(time.monotonic())
        stopping.set()

    threading.Timer(0.3, stop).start()
    with pytest.raises(redis.ConnectionError):
        worker.work()  # it can't say goodbye

    assert time.monotonic() - asked_to_stop_at[0] < 2.3


def test_tells_redis_that_it_was_there_and_has_gone(
    open_worker: OpenWorker, redis_client: "redis.Redis", redis_url: str
) -> None:
    worker = open_worker(redis_url)

    worker.work(burst=True)

    assert SimpleWorker.all(connection=redis_client) == []
    assert worker.birth_date is not None


def test_has_no_channel_through_which_others_could_command_it(
    open_worker: OpenWorker,
    dispatcher: _Dispatcher,
    redis_client: "redis.Redis",
    redis_url: str,
) -> None:
    channels: list[Any] = []
    dispatcher.act = lambda: channels.extend(redis_client.pubsub_channels("*"))
    _enqueue(redis_client)

    open_worker(redis_url).work(burst=True)

    assert len(dispatcher.jobs) == 1
    assert channels == []


def test_every_job_of_events_names_the_same_function(redis_client: "redis.Redis") -> None:
    (job_id,) = _enqueue(redis_client)

    assert _job(redis_client, job_id).func_name == DISPATCH


def test_begins_anew_when_redis_failed_in_a_job(
    open_worker: OpenWorker, dispatcher: _Dispatcher, own_redis: RedisServer
) -> None:
    with own_redis.client() as client:
        _enqueue(client)
    worker = open_worker(own_redis.url)
    dispatcher.act = own_redis.kill
    with pytest.raises(redis.ConnectionError):
        worker.work(burst=True)

    own_redis.start()
    executions: list[dict[bytes, float]] = []
    with own_redis.client() as client:
        (second,) = _enqueue(client)
        dispatcher.act = lambda: executions.append(_leases(client))
        worker.work(burst=True)

        assert _job(client, second).get_status(refresh=False) is JobStatus.FINISHED
        # The first job's lease runs out by itself; then it is tried again.
        assert len(executions[0]) == 2
        assert len(_leases(client)) == 1
