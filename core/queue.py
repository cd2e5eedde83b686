"""The queue contract: what receiver and sweep put into Redis, and workers take out."""

import base64
import secrets
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, NotRequired, TypedDict

import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.commands.core import Script
from redis.retry import Retry as ConnectionRetry
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus

from core.events import Arrival, EventId, EventRef, Source
from core.jobs import (
    DISPATCH,
    EVENTS_QUEUE_NAME,
    JOB_RETRIES,
    SEND_ALERT,
    GuardedJob,
    JSONSerializer,
)

log = structlog.get_logger()

EVENTS_QUEUE = EVENTS_QUEUE_NAME
ALERTS_QUEUE = "alerts"

#: At most this many events travel in one job.
BATCH_EVENTS = 64

#: Jobs that are queued or running, by id, with the time in milliseconds at which they were queued.
PENDING_KEY = "ecomlinx:pending"

#: A command to Redis, word by word.
Command = tuple[str | bytes | int, ...]

_SEEN_PREFIX = "ecomlinx:seen:"
_UPKEEP_LOCK_SECONDS = 60

#: Takes jobs as RQ does, one after the other, until they have so many events; what a job's id says
#: of its events is enough to tell. Returned are ids and hashes in turn.
_TAKE = """
local found = {}
local room = tonumber(ARGV[1])
while room > 0 do
    local id = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
    if not id then break end
    local hash = redis.pcall('HGETALL', ARGV[2] .. id)
    found[#found + 1] = id
    found[#found + 1] = hash.err and {} or hash
    room = room - (tonumber(string.match(id, '^(%d+)-')) or tonumber(ARGV[3]))
end
return found
"""


class JobQueue(Queue):
    """A queue whose upkeep soon passes to another worker when the one that does it dies."""

    def take(self, events: int) -> "list[GuardedJob | bytes]":
        """Take waiting jobs until they have so many events; each is then where RQ has it, too.

        Returned is the id alone where a job can't be read.

        Raises:
            redis.RedisError: Redis is away; whether it has taken some is then unknown.
        """
        keys = [self.key, self.intermediate_queue.key]
        found: list[Any] = self._script(keys, [events, Job.key_for(""), BATCH_EVENTS])
        return [self._read(*pair) for pair in zip(found[::2], found[1::2], strict=True)]

    @cached_property
    def _script(self) -> Script:
        return self.connection.register_script(_TAKE)

    def _read(self, job_id: bytes, fields: Sequence[bytes]) -> "GuardedJob | bytes":
        try:
            raw = dict(zip(fields[::2], fields[1::2], strict=True))
            return GuardedJob.read(job_id.decode("ascii"), raw, self.connection)
        except (NoSuchJobError, UnicodeDecodeError):
            return job_id

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
    """An event within a job: whole when it is new, its name alone when the ledger has it already.

    With `handler`, only that handler's share of it is meant. `day` is that of `EventRef`.
    """

    id: str
    day: NotRequired[str]
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


def to_wire_by_name(event: EventRef, handler: str | None = None) -> WireEvent:
    """Name an event that the ledger has, or one handler's share of it."""
    wire: WireEvent = {"id": event.id}
    if event.day is not None:
        wire["day"] = event.day.isoformat()
    if handler is not None:
        wire["handler"] = handler
    return wire


def from_wire(wire: WireEvent) -> Arrival | EventRef:
    """Read what these two wrote; an event without a body is in the ledger already."""
    event_id = EventId(wire["id"])
    if "body" in wire:
        raw = wire["body"].encode("utf-8")
    elif "body_base64" in wire:
        raw = base64.b64decode(wire["body_base64"])
    else:
        day = wire.get("day")
        return EventRef(event_id, date.fromisoformat(day) if day else None)
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
    job_id, commands = batch_commands(queue, events)
    _add(commands, pipeline)
    return job_id


def batch_commands(queue: Queue, events: Iterable[WireEvent]) -> tuple[str, list[Command]]:
    """The id of a new dispatch job for these events, and what puts it into Redis."""
    wires = list(events)
    # How many events it has can be told without reading it.
    job_id = f"{len(wires)}-{_random()}"
    return job_id, [*_enqueueing(queue, DISPATCH, [wires], job_id), _pending(job_id)]


def requeue_batch(queue: Queue, job: Job, pipeline: "Pipeline") -> None:
    """Add a dispatch job once more to a transaction, with all of its tries before it."""
    _add(_enqueueing(queue, DISPATCH, list(job.args), job.id), pipeline)
    anew = {"status": JobStatus.QUEUED.value, "retries_left": str(JOB_RETRIES)}
    pipeline.hset(job.key, mapping=anew)  # type: ignore[arg-type] # a dict's keys are invariant
    pipeline.zrem(queue.failed_job_registry.key, job.id)
    # RQ would take it for stuck there, and queue it once more.
    pipeline.lrem(queue.intermediate_queue.key, 0, job.id)
    _add([_pending(job.id)], pipeline)


def head_queued_at(queue: JobQueue) -> datetime | None:
    """When the job was queued that is next in turn; None where none waits, or nobody knows."""
    head = queue.connection.lindex(queue.key, 0)
    score = queue.connection.zscore(PENDING_KEY, head) if isinstance(head, bytes) else None
    return datetime.fromtimestamp(score / 1000, UTC) if isinstance(score, float) else None


def enqueue_alert(queue: Queue, fingerprint: str, pipeline: "Pipeline") -> None:
    """Add the job that sends one alert to a transaction."""
    _add(_enqueueing(queue, SEND_ALERT, [fingerprint], _random()), pipeline)


def _enqueueing(
    queue: Queue, function: str, arguments: list[Any], job_id: str
) -> Iterator[Command]:
    """What RQ would say to Redis, without what `GuardedJob` knows of every job.

    Said by us, because RQ takes 200 us for it, and writes more fields than an event has.
    """
    data = JSONSerializer.dumps((function, None, arguments, {}))
    # Level 1: on JSON, higher ones take three times as long for a tenth less.
    fields: dict[str, str | bytes] = {"data": zlib.compress(data, 1)}
    if queue.name != EVENTS_QUEUE:
        fields["origin"] = queue.name
    yield "SADD", queue.redis_queues_keys, queue.key
    yield "HSET", Job.key_for(job_id), *chain.from_iterable(fields.items())
    yield "RPUSH", queue.key, job_id


def _random() -> str:
    # 96 bits, and short: an id stands in four places in Redis.
    return secrets.token_urlsafe(12)


def _pending(job_id: str) -> Command:
    return "ZADD", PENDING_KEY, int(time.time() * 1000), job_id


def _add(commands: Iterable[Command], pipeline: "Pipeline") -> None:
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
