"""The queue contract: what receiver and sweep put into Redis, and workers take out."""

import base64
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NotRequired, TypedDict

import orjson
import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry as ConnectionRetry
from rq import Queue, Retry
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job

from core.events import NAME_MAX_CHARS, Arrival, EventId, Source

log = structlog.get_logger()

EVENTS_QUEUE = "events"
ALERTS_QUEUE = "alerts"

#: What Redis may ask a worker to run, and nothing else: whoever can write to Redis could otherwise
#: name any function of any module.
DISPATCH = "workers.dispatch.dispatch"
SEND_ALERT = "workers.alerts.send"
JOB_FUNCTIONS = frozenset({DISPATCH, SEND_ALERT})

#: What a job's hash may tell. RQ would also heed callbacks, webhooks, dependencies, groups, limits,
#: repetitions and results that somebody wrote there; our jobs have none.
_JOB_FIELDS = frozenset(
    {
        "data",
        "origin",
        "description",
        "status",
        "created_at",
        "enqueued_at",
        "number_of_retries",
        "retries_left",
    }
)

#: Ours hold at most `BATCH_EVENTS`. More than this would not fit into one statement of the ledger.
_JOB_EVENTS_MAX = 1000

#: At most this many events travel in one job.
BATCH_EVENTS = 64

#: Jobs that are queued or running, by id, with the time in milliseconds at which they were queued.
PENDING_KEY = "ecomlinx:pending"

_SEEN_PREFIX = "ecomlinx:seen:"
_UPKEEP_LOCK_SECONDS = 60
_RESULT_TTL_SECONDS = 60
_FAILURE_TTL_SECONDS = 30 * 24 * 3600

#: A batch watches over its own handlers' timeouts. This bound is for a batch that hangs itself.
_JOB_TIMEOUT_SECONDS = 24 * 3600


class ForbiddenJobError(Exception):
    """A job in Redis asks for something that our jobs don't ask for."""


class UnreadableJobError(NoSuchJobError):
    """What stands in Redis under a job's key is no job. RQ passes over it as if there were none."""


class JSONSerializer:
    """Jobs are JSON, never pickle: reading one runs nothing."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        """Encode what a job carries."""
        return orjson.dumps(value)

    @staticmethod
    def loads(data: bytes) -> Any:
        """Decode what a job carries."""
        return orjson.loads(data)


class GuardedJob(Job):
    """A job that runs only the functions of this contract, on the terms of this contract.

    RQ would also import and call the callbacks that a job names in Redis, and request its webhooks.
    Ours have neither. A hash that can't be read counts as missing: raised, the trouble with it
    would end the worker that takes it, and keep every worker from looking after lost jobs.
    """

    @classmethod
    def fetch(
        cls,
        id: str,  # noqa: A002 - RQ's name for it
        connection: "redis.Redis | None" = None,
        serializer: object = None,  # noqa: ARG003 - JSON, whatever RQ asks for
    ) -> "GuardedJob":
        """Read a job from Redis.

        Raises:
            NoSuchJobError: There is none.
            UnreadableJobError: There is something else.
            redis.RedisError: Redis doesn't answer.
        """
        try:
            job = super().fetch(id, connection=connection, serializer=JSONSerializer)
        except NoSuchJobError:
            raise
        except redis.RedisError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise cls._unreadable(id, error) from None
        # Whoever can write to Redis can put there what RQ trips over in any of its ways.
        except Exception as error:  # noqa: BLE001
            raise cls._unreadable(id, error) from None
        if not isinstance(job, GuardedJob):
            raise TypeError(f"RQ made a {type(job).__name__}")
        return job

    @classmethod
    def fetch_many(
        cls, job_ids: Iterable[str], connection: "redis.Redis", serializer: object = None
    ) -> list[Job | None]:
        """Read jobs from Redis; None stands for each that isn't there."""
        found: list[Job | None] = []
        for job_id in job_ids:
            try:
                found.append(cls.fetch(job_id, connection, serializer))
            except NoSuchJobError:
                found.append(None)
        return found

    @classmethod
    def _unreadable(cls, job_id: str, error: Exception) -> UnreadableJobError:
        # Not what the error says: it may quote the hash, and so customers' data.
        log.error("job_unreadable", job_id=job_id, error=type(error).__name__)
        return UnreadableJobError(f"{job_id}: {type(error).__name__}")

    def restore(self, raw_data: dict[bytes, bytes]) -> None:
        """Take from a hash what our jobs may differ in; the rest is the same for all of them."""
        known = {k: v for k, v in raw_data.items() if k.decode("ascii", "replace") in _JOB_FIELDS}
        super().restore(known)
        self.timeout = _JOB_TIMEOUT_SECONDS
        self.result_ttl = _RESULT_TTL_SECONDS
        self.failure_ttl = _FAILURE_TTL_SECONDS
        self.retry_intervals = [0]

    @property
    def is_ours(self) -> bool:
        """Whether its function and its arguments are such as we write."""
        try:
            return _is_of_ours(self.func_name) and not self.instance and self._has_our_arguments()
        except DeserializationError:
            return False

    def _has_our_arguments(self) -> bool:
        if self.kwargs or not isinstance(self.args, list) or len(self.args) != 1:
            return False
        (argument,) = self.args
        return isinstance(argument, str) if self.func_name == SEND_ALERT else _are_events(argument)

    @property
    def func(self) -> Callable[..., Any]:
        """The job's function.

        Raises:
            ForbiddenJobError: It isn't one of `JOB_FUNCTIONS`, or its arguments are not as ours.
        """
        if not _is_of_ours(self.func_name):
            raise ForbiddenJobError(f"job {self.id} names a function that is not ours")
        if not self.is_ours:
            raise ForbiddenJobError(f"job {self.id} has arguments that no job of ours has")
        function: Callable[..., Any] = super().func
        return function

    @property
    def success_callback(self) -> None:
        """None, whatever Redis says."""

    @property
    def failure_callback(self) -> None:
        """None, whatever Redis says."""

    @property
    def stopped_callback(self) -> None:
        """None, whatever Redis says."""

    def send_webhooks(self, status: str, *, exc_string: str | None = None) -> None:
        """Request nothing, whatever Redis says."""


def _is_of_ours(function: object) -> bool:
    return isinstance(function, str) and function in JOB_FUNCTIONS


def _are_events(argument: object) -> bool:
    """Tell whether something can be a list of `WireEvent`: nothing else gets near the ledger."""
    return (
        isinstance(argument, list)
        and len(argument) <= _JOB_EVENTS_MAX
        and all(isinstance(wire, dict) and _is_event(wire) for wire in argument)
    )


def _is_event(wire: dict[str, object]) -> bool:
    return (
        all(isinstance(value, str) for value in wire.values())
        and _is_name(wire.get("id"))
        and _is_name(wire.get("handler", "any"))
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_MAX_CHARS and value.isprintable()


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
        timeout=_JOB_TIMEOUT_SECONDS,
        result_ttl=_RESULT_TTL_SECONDS,
        failure_ttl=_FAILURE_TTL_SECONDS,
        # Without delay: RQ can lose a job between a failure and a delayed retry.
        retry=Retry(max=2),
    )
    queue.enqueue_many([job], pipeline=pipeline)
    return job_id
