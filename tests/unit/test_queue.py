"""What travels through Redis, and what may not."""

import signal
import socket
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from rq import Retry, SimpleWorker
from rq.job import Job, JobStatus

from core.events import Arrival, EventId, EventRef, Source, event_id
from core.jobs import DISPATCH, SEND_ALERT, GuardedJob, JSONSerializer
from core.queue import (
    ALERTS_QUEUE,
    EVENTS_QUEUE,
    PENDING_KEY,
    WireEvent,
    enqueue_alert,
    enqueue_batch,
    from_wire,
    open_queue,
    seen_key,
    to_wire,
    to_wire_by_name,
)
from tests.support.ledgers import arrival_of

MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(raw=st.binary() | st.text().map(str.encode), moment=MOMENTS, source=st.sampled_from(Source))
def test_an_event_comes_out_of_redis_as_it_went_in(
    raw: bytes, moment: datetime, source: Source
) -> None:
    arrival = Arrival(event_id(raw), raw, moment, source)

    wire = JSONSerializer.loads(JSONSerializer.dumps(to_wire(arrival)))

    assert from_wire(wire) == arrival


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"event":"order.new"}', "body"),
        ("नमस्ते\r\n\0".encode(), "body"),
        (b"\xef\xbb\xbf{}", "body"),
        (b"", "body"),
        (b"\xff", "body_base64"),
        (b"\xed\xa0\x80", "body_base64"),
    ],
)
def test_a_body_that_is_text_can_be_read_in_redis(raw: bytes, field: str) -> None:
    assert {"body", "body_base64"} & to_wire(arrival_of(raw)).keys() == {field}


@pytest.mark.parametrize("day", [date(2026, 3, 1), None])
def test_an_event_that_the_ledger_has_travels_without_its_body(day: date | None) -> None:
    event = EventRef(EventId("evt_1"), day)

    assert from_wire(to_wire_by_name(event)) == event
    assert from_wire(to_wire_by_name(event, "restock")) == event
    assert to_wire_by_name(event, "restock")["handler"] == "restock"


def test_times_come_out_of_redis_in_utc() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    wire: WireEvent = {
        "id": "evt_1",
        "source": "test",
        "received_at": datetime(2026, 3, 1, 15, 0, tzinfo=india).isoformat(),
        "body": "{}",
    }

    arrival = from_wire(wire)

    assert isinstance(arrival, Arrival)
    assert arrival.received_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert arrival.received_at.tzinfo is UTC


def test_a_batch_is_one_job_and_one_pending_entry(redis_client: "redis.Redis") -> None:
    queue = open_queue(EVENTS_QUEUE, redis_client)
    arrivals = [arrival_of() for _ in range(3)]

    with redis_client.pipeline() as pipeline:
        job_id = enqueue_batch(queue, map(to_wire, arrivals), pipeline)
        assert redis_client.keys() == []
        pipeline.execute()

    (job,) = queue.get_jobs()
    assert job.id == job_id
    assert job.func_name == DISPATCH
    assert [from_wire(wire) for wire in job.args[0]] == arrivals
    assert redis_client.zrange(PENDING_KEY, 0, -1) == [job_id.encode()]


def test_a_job_is_tried_again_at_once_and_says_nothing_of_its_events(
    redis_client: "redis.Redis",
) -> None:
    queue = open_queue(EVENTS_QUEUE, redis_client)
    with redis_client.pipeline() as pipeline:
        enqueue_batch(queue, [to_wire(arrival_of())], pipeline)
        pipeline.execute()

    (job,) = queue.get_jobs()
    assert job.description == "ecomlinx-hooks"
    assert job.retries_left == 2
    assert job.retry_intervals == [0]


def test_a_job_is_what_rq_would_write(redis_client: "redis.Redis") -> None:
    queue = open_queue(EVENTS_QUEUE, redis_client)
    wire = to_wire(arrival_of())
    theirs = queue.enqueue(DISPATCH, [wire], retry=Retry(max=2))
    their_keys = set(redis_client.keys())

    with redis_client.pipeline() as pipeline:
        job_id = enqueue_batch(queue, [wire], pipeline)
        pipeline.execute()

    our_keys = set(redis_client.keys()) - {PENDING_KEY.encode()}
    assert our_keys == their_keys | {f"rq:job:{job_id}".encode()}
    assert queue.job_ids == [theirs.id, job_id]
    expected, ours = queue.get_jobs()
    for name in ("func_name", "args", "kwargs", "origin", "retries_left", "get_status"):
        assert _value(ours, name) == _value(expected, name), name


def _value(job: Job, name: str) -> object:
    value = getattr(job, name)
    return value(refresh=False) if callable(value) else value


def test_an_alert_is_a_job_of_a_queue_of_its_own(redis_client: "redis.Redis") -> None:
    queue = open_queue(ALERTS_QUEUE, redis_client)

    with redis_client.pipeline() as pipeline:
        enqueue_alert(queue, "disk full: é", pipeline)
        pipeline.execute()

    (job,) = queue.get_jobs()
    assert (job.func_name, job.args) == (SEND_ALERT, ["disk full: é"])
    assert open_queue(EVENTS_QUEUE, redis_client).count == 0
    assert not redis_client.exists(PENDING_KEY)


def test_a_job_is_readable_json(redis_client: "redis.Redis") -> None:
    queue = open_queue(EVENTS_QUEUE, redis_client)
    with redis_client.pipeline() as pipeline:
        job_id = enqueue_batch(queue, [to_wire(arrival_of())], pipeline)
        pipeline.execute()

    data = redis_client.hget(f"rq:job:{job_id}", "data")

    assert isinstance(data, bytes)
    assert orjson.loads(zlib.decompress(data))[0] == DISPATCH


def test_each_event_has_a_marker_of_its_own() -> None:
    assert seen_key(EventId("evt_44136fa3")) == "ecomlinx:seen:44136fa3"


def test_the_right_to_look_after_lost_jobs_ends_with_its_owner(
    redis_client: "redis.Redis",
) -> None:
    queue = open_queue(EVENTS_QUEUE, redis_client)

    assert queue.acquire_maintenance_lock()
    assert not queue.acquire_maintenance_lock()
    assert 0 < redis_client.ttl(queue.registry_cleaning_key) <= 60


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once a function has run that must not run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sprung"


@pytest.fixture
def worker(redis_client: "redis.Redis") -> Iterator[SimpleWorker]:
    """RQ's own worker, which knows nothing of ours but the job class."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield SimpleWorker(
        [open_queue(EVENTS_QUEUE, redis_client)],
        connection=redis_client,
        serializer=JSONSerializer,
        job_class=GuardedJob,
    )
    for number, handler in before.items():
        signal.signal(number, handler)


def _write_by_hand(client: "redis.Redis", function: str, *arguments: str, **fields: str) -> str:
    """Put a job into Redis as whoever can write to it might; return its id."""
    data = orjson.dumps([function, None, arguments, {}])
    job: dict[Any, Any] = {
        "data": data,
        "origin": EVENTS_QUEUE,
        "status": "queued",
        "timeout": "60",
        **fields,
    }
    client.hset("rq:job:by-hand", mapping=job)
    client.sadd("rq:queues", f"rq:queue:{EVENTS_QUEUE}")
    client.rpush(f"rq:queue:{EVENTS_QUEUE}", "by-hand")
    return "by-hand"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("os.system", ["touch sprung"]),
        ("pathlib.Path.touch", ["sprung"]),
        ("tests.support.traps.spring", []),
        ("builtins.exec", ["open('sprung', 'w').close()"]),
        ("workers.dispatch.dispatch.__call__", ["sprung"]),
        ("", []),
    ],
)
def test_a_job_that_names_a_function_of_others_fails_and_does_nothing(
    redis_client: "redis.Redis",
    worker: SimpleWorker,
    trap: Path,
    function: str,
    arguments: list[str],
) -> None:
    job_id = _write_by_hand(redis_client, function, *arguments)

    worker.work(burst=True)

    job = GuardedJob.fetch(job_id, connection=redis_client, serializer=JSONSerializer)
    assert not trap.exists()
    assert job.get_status() is JobStatus.FAILED
    result = job.latest_result()
    assert result is not None
    assert "ForbiddenJobError: job by-hand names a function that is not ours" in str(
        result.exc_string
    )


def test_a_pickle_is_not_even_read(
    redis_client: "redis.Redis", worker: SimpleWorker, trap: Path
) -> None:
    # What `pickle.loads` would make of these bytes: os.system("touch sprung").
    pickled = "cos\nsystem\n(S'touch sprung'\ntR."
    job_id = _write_by_hand(redis_client, DISPATCH, data=pickled)

    worker.work(burst=True)

    job = GuardedJob.fetch(job_id, connection=redis_client, serializer=JSONSerializer)
    assert not trap.exists()
    assert job.get_status() is JobStatus.FAILED


@pytest.mark.parametrize("moment", ["success", "failure", "stopped"])
def test_a_job_runs_no_callback(redis_client: "redis.Redis", moment: str) -> None:
    callback = {f"{moment}_callback_name": "tests.support.traps.spring"}
    job_id = _write_by_hand(redis_client, DISPATCH, **callback)

    job = GuardedJob.fetch(job_id, connection=redis_client, serializer=JSONSerializer)

    assert getattr(job, f"{moment}_callback") is None


def test_a_job_that_fails_runs_no_callback(
    redis_client: "redis.Redis", worker: SimpleWorker, trap: Path
) -> None:
    _write_by_hand(redis_client, "os.abort", failure_callback_name="tests.support.traps.spring")

    worker.work(burst=True)

    assert not trap.exists()


def test_a_job_calls_nobody_when_it_ends(redis_client: "redis.Redis", worker: SimpleWorker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        somebody.settimeout(0.5)
        webhook = {
            "url": f"http://127.0.0.1:{somebody.getsockname()[1]}/",
            "job_status": "failed",
            "timeout": 1,
        }
        _write_by_hand(redis_client, "os.abort", webhooks=orjson.dumps([webhook]).decode())

        worker.work(burst=True)

        with pytest.raises(TimeoutError):
            somebody.accept()
