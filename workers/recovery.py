"""Brings back jobs that RQ or Redis has lost between taking them and finishing them."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog
from rq.exceptions import NoSuchJobError
from rq.job import JobStatus

from core.queue import (
    DISPATCH,
    PENDING_KEY,
    GuardedJob,
    JobQueue,
    UnreadableJobError,
    requeue_batch,
)

log = structlog.get_logger()

#: RQ brings most lost jobs back by itself, within a minute; what is older is looked at.
PATIENCE = timedelta(seconds=90)

#: Where entries of the pending set go whose job is none of ours, so that nothing stumbles over them
#: at every sweep. What they lead to is left as it is.
SET_ASIDE_KEY = "ecomlinx:set-aside"

_CANDIDATES_MAX = 1000

#: Reading a longer queue whole would keep Redis from its work. What was lost waits meanwhile.
_QUEUE_MAX = 10_000


class Recovery:
    """Compares the pending set, in which every job is until it is done, with where jobs are.

    A job that is restored although it runs after all does nothing: its events are in the ledger.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._redis = queue.connection

    def run(self) -> int:
        """Restore what is lost; return how many of these jobs had failed in every try.

        Raises:
            redis.RedisError: Redis is away. What was restored before stays restored.
        """
        candidates = self._pending_for_long()
        if not candidates or self._queue.count > _QUEUE_MAX:
            return 0
        lost = sorted(candidates - self._live())
        return sum(self._restore(job_id) is JobStatus.FAILED for job_id in lost)

    def _pending_for_long(self) -> set[bytes]:
        latest = (time.time() - PATIENCE.total_seconds()) * 1000
        return _bytes(
            self._redis.zrangebyscore(PENDING_KEY, 0, latest, start=0, num=_CANDIDATES_MAX)
        )

    def _live(self) -> set[bytes]:
        """The jobs that wait or run, all at one moment."""
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lrange(self._queue.key, 0, -1)
            pipeline.lrange(self._queue.intermediate_queue.key, 0, -1)
            pipeline.zrange(self._queue.started_job_registry.key, 0, -1)
            waiting, taken, running = pipeline.execute()
        # What runs is listed as job and execution, with a colon between them.
        return _bytes(waiting) | _bytes(taken) | {e.partition(b":")[0] for e in _bytes(running)}

    def _restore(self, entry: bytes) -> JobStatus | None:
        """Queue a job that is nowhere, unless it is done; return how RQ had left it."""
        try:
            job = GuardedJob.fetch(entry.decode("utf-8", "backslashreplace"), self._redis)
        except UnreadableJobError:
            self._set_aside(entry)
            return None
        except NoSuchJobError:
            # A finished job's hash is kept for a minute; one that waits has no end to its life.
            self._redis.zrem(PENDING_KEY, entry)
            return None
        status = job.get_status(refresh=False)
        if status is not JobStatus.FINISHED and not _is_dispatch(job):
            self._set_aside(entry)
            return None
        with self._redis.pipeline(transaction=True) as pipeline:
            if status is JobStatus.FINISHED:
                pipeline.zrem(PENDING_KEY, entry)
            else:
                requeue_batch(self._queue, job, pipeline)
                log.warning("job_restored", job_id=job.id, was=status.value)
            pipeline.execute()
        return status

    def _set_aside(self, entry: bytes) -> None:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(SET_ASIDE_KEY, {entry: int(time.time() * 1000)})
            pipeline.zrem(PENDING_KEY, entry)
            pipeline.execute()
        job_id = entry.decode("utf-8", "backslashreplace")
        log.error("job_set_aside", job_id=job_id, kept_in=SET_ASIDE_KEY)


def _is_dispatch(job: GuardedJob) -> bool:
    return job.is_ours and job.func_name == DISPATCH


def _bytes(values: Iterable[Any]) -> set[bytes]:
    """What redis-py types as anything is bytes here."""
    return set(values)
