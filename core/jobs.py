"""The jobs that Redis holds: what they may be, and that no other is run."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import redis
import structlog
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job, JobStatus, parse_job_id

from core.events import is_name

log = structlog.get_logger()

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
        "status",
        "number_of_retries",
        "retries_left",
    }
)

#: The queue of the jobs that the receiver writes.
EVENTS_QUEUE_NAME = "events"

#: Ours hold far fewer. More than this would not fit into one statement of the ledger.
_JOB_EVENTS_MAX = 1000

#: Seconds for which Redis remembers a finished job, and a failed one, which may be the only copy.
RESULT_TTL = 60
FAILURE_TTL = 30 * 24 * 3600

#: How often RQ runs a job again that failed, or whose worker died, before we look after it.
JOB_RETRIES = 2

#: What a waiting job's hash need not say: each field takes as much room in Redis as a tenth of an
#: event.
_USUAL_FIELDS = {
    b"status": JobStatus.QUEUED.value.encode(),
    b"origin": EVENTS_QUEUE_NAME.encode(),
    b"retries_left": str(JOB_RETRIES).encode(),
}

#: Seconds. A batch watches over its own handlers' timeouts; this is for a batch that hangs itself.
JOB_TIMEOUT = 24 * 3600


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
        if connection is None:
            raise TypeError("a connection to Redis is needed")
        try:
            raw: Any = connection.hgetall(cls._named(id, connection).key)
        except redis.ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise cls._unreadable(id, error) from None
        return cls.read(id, raw, connection)

    @classmethod
    def read(cls, job_id: str, raw: dict[bytes, bytes], connection: "redis.Redis") -> "GuardedJob":
        """Read a job from its hash.

        Raises:
            NoSuchJobError: The hash is empty.
            UnreadableJobError: It is no job's.
        """
        if not raw:
            raise NoSuchJobError(f"there is no job {job_id}")
        job = cls._named(job_id, connection)
        try:
            job.restore(raw)
        # Whoever can write to Redis can put there what RQ trips over in any of its ways.
        except Exception as error:  # noqa: BLE001
            raise cls._unreadable(job_id, error) from None
        return job

    @classmethod
    def _named(cls, job_id: str, connection: "redis.Redis") -> "GuardedJob":
        try:
            return cls(parse_job_id(job_id), connection=connection, serializer=JSONSerializer)
        except ValueError as error:
            raise cls._unreadable(job_id, error) from None

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
        super().restore(_USUAL_FIELDS | known)
        # RQ's own would repeat the arguments, customers' data included, in its log lines.
        self.description = "ecomlinx-hooks"
        self.timeout = JOB_TIMEOUT
        self.result_ttl = RESULT_TTL
        self.failure_ttl = FAILURE_TTL
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
        and is_name(wire.get("id"))
        and is_name(wire.get("handler", "any"))
    )
