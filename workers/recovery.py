"""Brings back jobs that RQ or Redis has lost between taking them and finishing them."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from rq.exceptions import NoSuchJobError
from rq.job import JobStatus

from core.jobs import DISPATCH, GuardedJob, UnreadableJobError
from core.queue import PENDING_KEY, JobQueue, head_queued_at, requeue_batch

log = structlog.get_logger()

#: A job that has just been taken is on its way; one that was queued longer ago is looked at.
PATIENCE = timedelta(seconds=20)

#: Between taking a job and beginning with it a worker needs milliseconds.
TAKEN_FOR = timedelta(seconds=10)

#: Where entries of the pending set go whose job is none of ours, so that nothing stumbles over them
#: at every sweep. What they lead to is left as it is.
SET_ASIDE_KEY = "ecomlinx:set-aside"

#: Looking for one among 300,000 jobs takes Redis seven milliseconds, in which it does nothing else.
_CANDIDATES_MAX = 50


class Recovery:
    """Compares the pending set, in which every job is until it is done, with where jobs are.

    A job that is restored although it runs after all does nothing: its events are in the ledger.

    Args:
        queue: Whose jobs these are.
        clock: Seconds, from any beginning.
    """

    def __init__(self, queue: JobQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._redis = queue.connection
        self._clock = clock
        self._taken_since: dict[bytes, float] = {}

    def run(self) -> int:
        """Restore what is lost; return how many of these jobs had failed in every try.

        Raises:
            redis.RedisError: Redis is away. What was restored before stays restored.
        """
        begun = self._begun()
        # Those that run are told apart first: Redis would search the whole queue for each of them.
        oldest = self._oldest(_CANDIDATES_MAX + len(begun))
        candidates = [entry for entry in oldest if entry not in begun][:_CANDIDATES_MAX]
        live = self._live(candidates)
        lost = [entry for entry in candidates if entry not in live]
        return sum(self._restore(entry) is JobStatus.FAILED for entry in lost)

    def _oldest(self, count: int) -> list[bytes]:
        """Jobs that should have had their turn: queued before the one that is next."""
        latest = (datetime.now(UTC) - PATIENCE).timestamp()
        if next_in_turn := head_queued_at(self._queue):
            latest = min(latest, next_in_turn.timestamp())
        before = f"({round(latest * 1000)}"
        found = self._redis.zrangebyscore(PENDING_KEY, 0, before, start=0, num=count)
        return _bytes(found)

    def _begun(self) -> set[bytes]:
        """The jobs that living workers have begun with."""
        running = self._redis.zrangebyscore(
            self._queue.started_job_registry.key, time.time(), "+inf"
        )
        return _jobs_of(_bytes(running))

    def _live(self, candidates: Sequence[bytes]) -> set[bytes]:
        """Those of these jobs that wait after all, or that a living worker has, at one moment."""
        now = time.time()
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.lrange(self._queue.intermediate_queue.key, 0, -1)
            pipeline.zrangebyscore(self._queue.started_job_registry.key, now, "+inf")
            for entry in candidates:
                pipeline.lpos(self._queue.key, entry)  # type: ignore[arg-type]
            taken, running, *places = pipeline.execute()
        waiting = {
            job_id for job_id, place in zip(candidates, places, strict=True) if place is not None
        }
        self._date_anew(waiting)
        return waiting | _jobs_of(_bytes(running)) | self._just_taken(_bytes(taken))

    def _date_anew(self, waiting: Collection[bytes]) -> None:
        """Let it be known that these wait behind younger ones, as they have been queued again.

        Otherwise each pass would search the queue for them until their turn comes.
        """
        if waiting:
            now = int(time.time() * 1000)
            self._redis.zadd(PENDING_KEY, dict.fromkeys(waiting, now), xx=True)

    def _just_taken(self, taken: Iterable[bytes]) -> set[bytes]:
        """Those that haven't stayed for long between the queue and a worker."""
        now = self._clock()
        self._taken_since = {job_id: self._taken_since.get(job_id, now) for job_id in taken}
        return {
            job_id
            for job_id, since in self._taken_since.items()
            if now - since < TAKEN_FOR.total_seconds()
        }

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


def _jobs_of(executions: Iterable[bytes]) -> set[bytes]:
    """What runs is listed as job and execution, with a colon between them."""
    return {entry.partition(b":")[0] for entry in executions}


def _bytes(values: Iterable[Any]) -> list[bytes]:
    """What redis-py types as anything is bytes here."""
    return list(values)
