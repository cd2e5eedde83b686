"""Brings back jobs that RQ or Redis has lost between taking them and finishing them."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog
from rq.exceptions import NoSuchJobError
from rq.job import JobStatus
from rq.registry import StartedJobRegistry

from core.queue import PENDING_KEY, GuardedJob, JobQueue, JSONSerializer, requeue_batch

log = structlog.get_logger()

#: RQ brings most lost jobs back by itself, within a minute; what is older is looked at.
PATIENCE = timedelta(seconds=90)

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

    def _pending_for_long(self) -> set[str]:
        latest = (time.time() - PATIENCE.total_seconds()) * 1000
        found = self._redis.zrangebyscore(PENDING_KEY, 0, latest, start=0, num=_CANDIDATES_MAX)
        return _texts(found)

    def _live(self) -> set[str]:
        """The jobs that wait or run, all at one moment."""
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lrange(self._queue.key, 0, -1)
            pipeline.lrange(self._queue.intermediate_queue.key, 0, -1)
            pipeline.zrange(self._queue.started_job_registry.key, 0, -1)
            waiting, taken, running = pipeline.execute()
        return (
            _texts(waiting) | _texts(taken) | {StartedJobRegistry.parse_job_id(e) for e in running}
        )

    def _restore(self, job_id: str) -> JobStatus | None:
        """Queue a job that is nowhere, unless it is done; return how RQ had left it."""
        try:
            job = GuardedJob.fetch(job_id, self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            # A finished job's hash is kept for a minute; one that waits has no end to its life.
            self._redis.zrem(PENDING_KEY, job_id)
            return None
        status = job.get_status(refresh=False)
        with self._redis.pipeline(transaction=True) as pipeline:
            if status is JobStatus.FINISHED:
                pipeline.zrem(PENDING_KEY, job_id)
            else:
                requeue_batch(self._queue, job, pipeline)
                log.warning("job_restored", job_id=job_id, was=status and status.value)
            pipeline.execute()
        return status


def _texts(values: Iterable[Any]) -> set[str]:
    """What redis-py types as anything is bytes here."""
    return {value.decode() for value in values}
