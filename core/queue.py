"""The queue contract: what receiver and sweep put into Redis, and workers take out."""

import base64
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NotRequired, TypedDict

import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry as ConnectionRetry
from rq import Queue, Retry
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job

from core.events import Arrival, EventId, Source
from core.jobs import (
    DISPATCH,
    FAILURE_TTL,
    JOB_TIMEOUT,
    RESULT_TTL,
    SEND_ALERT,
    GuardedJob,
    JSONSerializer,
)

log = structlog.get_logger()

EVENTS_QUEUE = "events"
ALERTS_QUEUE = "alerts"

#: At most this many events travel in one job.
BATCH_EVENTS = 64

#: Jobs that are queued or running, by id, with the time in milliseconds at which they were queued.
PENDING_KEY = "ecomlinx:pending"

_SEEN_PREFIX = "ecomlinx:seen:"
_UPKEEP_LOCK_SECONDS = 60


class JobQueue(Queue):
    """A queue whose upkeep soon passes to another worker when the one that does it dies."""

    @classmethod
    def lmove(
        cls, connection: "redis.Redis", queue_key: str, timeout: int | None
    ) -> tuple[str, bytes] | None:
        """Take the next id, and see to it that one that RQ can't decode is met only once."""
        found: tuple[str, bytes] | None = super().lmove(connection, queue_key, timeout)
        if found is None or found[1].isascii():
            return found
        connection.lrem(IntermediateQueue.get_intermediate_queue_key(queue_key), 1, found[1])  # type: ignore[arg-type]
        readable = found[1].decode("ascii", "backslashreplace")
        return queue_key, readable.encode("ascii")

    def acquire_maintenance_lock(self) -> bool:
        """Take the right to look after lost jobs. RQ's own lock outlives its owner by 15 min."""
        key = self.registry_cleaning_key
        return bool(self.connection.set(key, 1, nx=True, ex=_UPKEEP_LOCK_SECONDS))


class WireEvent(TypedDict):
    """An event within a job: whole when it is new, its id alone when the ledger has it already.

    With `handler`, only that handler's share of it is meant.
    """

    id: str
    handler: NotRequired[str]
    source: NotRequired[str]
    received_at: NotRequired[str]
    body: NotRequired[str]
    body_base64: NotRequired[str]


def to_wire(arrival: Arrival) -> WireEvent:
    """Put an event into JSON, its body unchanged to the byte."""
    wire: WireEvent = {
        "id": arrival.id,
        "source": arrival.source.value,
        "received_at": arrival.received_at.isoformat(),
    }
    try:
        wire["body"] = arrival.raw.decode("utf-8")
    except UnicodeDecodeError:
        wire["body_base64"] = base64.b64encode(arrival.raw).decode("ascii")
    return wire


def from_wire(wire: WireEvent) -> Arrival | EventId:
    """Read what `to_wire` wrote; an event without a body is in the ledger already."""
    event_id = EventId(wire["id"])
    if "body" in wire:
        raw = wire["body"].encode("utf-8")
    elif "body_base64" in wire:
        raw = base64.b64decode(wire["body_base64"])
    else:
        return event_id
    received_at = datetime.fromisoformat(wire["received_at"]).astimezone(UTC)
    return Arrival(event_id, raw, received_at, Source(wire["source"]))


def seen_key(event_id: EventId) -> str:
    """The key of an event's duplicate marker."""
    return _SEEN_PREFIX + event_id.removeprefix("evt_")


def connect(url: str, *, timeout: timedelta, retries: int = 1) -> "redis.Redis":
    """A Redis client that gives up on a command after `timeout`.

    One retry, at once, is for the connection that Redis closed while it was idle.
    """
    seconds = timeout.total_seconds()
    return redis.Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=ConnectionRetry(NoBackoff(), retries, supported_errors=(redis.ConnectionError,)),
        health_check_interval=30,
    )


def open_queue(name: str, connection: "redis.Redis") -> JobQueue:
    """One of our queues."""
    return JobQueue(name, connection=connection, serializer=JSONSerializer, job_class=GuardedJob)


def enqueue_batch(queue: Queue, events: Iterable[WireEvent], pipeline: "Pipeline") -> str:
    """Add one dispatch job for these events to a transaction; return the job's id."""
    job_id = _enqueue(queue, DISPATCH, [list(events)], "dispatch", pipeline)
    pipeline.zadd(PENDING_KEY, {job_id: int(time.time() * 1000)})
    return job_id


def requeue_batch(queue: Queue, job: Job, pipeline: "Pipeline") -> None:
    """Add a dispatch job once more to a transaction, with all of its tries before it."""
    _enqueue(queue, DISPATCH, list(job.args), "dispatch", pipeline, job_id=job.id)
    pipeline.zrem(queue.failed_job_registry.key, job.id)
    # RQ would take it for stuck there, and queue it once more.
    pipeline.lrem(queue.intermediate_queue.key, 0, job.id)
    pipeline.zadd(PENDING_KEY, {job.id: int(time.time() * 1000)})


def head_queued_at(queue: JobQueue) -> datetime | None:
    """When the job was queued that is next in turn; None where none waits, or nobody knows."""
    head = queue.connection.lindex(queue.key, 0)
    score = queue.connection.zscore(PENDING_KEY, head) if isinstance(head, bytes) else None
    return datetime.fromtimestamp(score / 1000, UTC) if isinstance(score, float) else None


def enqueue_alert(queue: Queue, fingerprint: str, pipeline: "Pipeline") -> None:
    """Add the job that sends one alert to a transaction."""
    _enqueue(queue, SEND_ALERT, [fingerprint], "alert", pipeline)


def _enqueue(
    queue: Queue,
    function: str,
    arguments: list[Any],
    description: str,
    pipeline: "Pipeline",
    job_id: str | None = None,
) -> str:
    job_id = job_id or uuid.uuid4().hex
    job = Queue.prepare_data(
        function,
        args=arguments,
        job_id=job_id,
        # RQ's own description would repeat the arguments, customers' data included, in the clear.
        description=description,
        timeout=JOB_TIMEOUT,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        # Without delay: RQ can lose a job between a failure and a delayed retry.
        retry=Retry(max=2),
    )
    queue.enqueue_many([job], pipeline=pipeline)
    return job_id
