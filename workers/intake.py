"""Jobs that a worker takes along while another one runs.

A job by itself is done when its last handler is, and at usual loads it holds one event. A worker
that had one job at a time would let all its threads but one stand idle.

What is taken along is out of RQ's hands as soon as the ledger has its events: from then on the
ledger's leases see to it that each of them is handled, whatever becomes of the worker. Until then
it is where RQ has what it has taken, and in the pending set, and is found there.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard

import redis
import structlog

from core.jobs import DISPATCH, GuardedJob
from core.queue import PENDING_KEY, JobQueue

log = structlog.get_logger()

#: How soon an empty queue is looked at again.
LOOK_SECONDS = 0.01

#: How soon after trouble.
_PAUSE_SECONDS = 1.0


class Intake:
    """Takes waiting jobs from a queue.

    Args:
        queue: Where they wait.
        may_take: Asked each time; while it says no, none is taken.
        clock: Seconds, from any beginning.
    """

    def __init__(
        self,
        queue: JobQueue,
        may_take: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._may_take = may_take
        self._clock = clock
        self._next_look = 0.0

    def take(self, room: int) -> list[GuardedJob]:
        """Take jobs until they have `room` events; none where there are none, or Redis is away.

        A job that has to travel alone, or is none of ours, stays in front of the queue: RQ takes it
        as soon as nothing else runs, and until then nothing else is taken.
        """
        if room <= 0 or self._clock() < self._next_look or not self._may_take():
            return []
        try:
            found = self._queue.take(room)
            jobs = [job for job in found if _may_travel_along(job)]
            if len(jobs) < len(found):
                others = [job for job in found if not _may_travel_along(job)]
                self._leave_to_rq(job if isinstance(job, bytes) else job.id for job in others)
        except redis.RedisError as error:
            # Whatever has been taken by now is found where it is.
            log.warning("intake_failed", error=str(error))
            self._next_look = self._clock() + _PAUSE_SECONDS
            return []
        if not found:
            self._next_look = self._clock() + LOOK_SECONDS
        return jobs

    def forget(self, jobs: Sequence[GuardedJob]) -> None:
        """The ledger has the events of these jobs: nobody needs to look for them any more."""
        try:
            with self._queue.connection.pipeline(transaction=True) as pipeline:
                pipeline.delete(*(job.key for job in jobs))
                pipeline.zrem(PENDING_KEY, *(job.id for job in jobs))
                for job in jobs:
                    pipeline.lrem(self._queue.intermediate_queue.key, 1, job.id)
                pipeline.execute()
        except redis.RedisError as error:
            log.warning("pending_entries_kept", jobs=len(jobs), error=str(error))

    def give_back(self, jobs: Sequence[GuardedJob]) -> None:
        """Put jobs back to where they were; RQ takes the first as soon as nothing else runs."""
        try:
            self._leave_to_rq(job.id for job in jobs)
        except redis.RedisError as error:
            log.warning("jobs_not_given_back", jobs=len(jobs), error=str(error))

    def rest(self) -> None:
        """Begin anew, after RQ has had its turn."""
        self._next_look = 0.0

    def _leave_to_rq(self, job_ids: Iterable[str | bytes]) -> None:
        self._next_look = math.inf
        with self._queue.connection.pipeline(transaction=True) as pipeline:
            for job_id in reversed(list(job_ids)):
                pipeline.lrem(self._queue.intermediate_queue.key, 1, job_id)  # type: ignore[arg-type]
                pipeline.lpush(self._queue.key, job_id)
            pipeline.execute()


def _may_travel_along(job: GuardedJob | bytes) -> TypeGuard[GuardedJob]:
    """Tell whether this is a job of ours without a share: shares are of what a worker died in."""
    return (
        isinstance(job, GuardedJob)
        and job.is_ours
        and job.func_name == DISPATCH
        and not any("handler" in wire for wire in job.args[0])
    )
