"""RQ's worker, made lean: a third of RQ's time for a job goes into saying that it still works."""

import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.worker import WorkerStatus

from core.jobs import GuardedJob, JSONSerializer
from core.queue import PENDING_KEY, JobQueue

log = structlog.get_logger()

#: What redis-py raises while Redis can't be reached, or doesn't answer.
REDIS_AWAY = (redis.ConnectionError, redis.TimeoutError)

#: A worker polls so often, and so soon notices that it should stop.
_POLL_SECONDS = 1

_HEARTBEAT_SECONDS = 5.0

#: RQ takes a job for abandoned when its worker has said nothing for so long.
_JOB_LEASE_SECONDS = 30

_MAINTENANCE_SECONDS = 10
_WORKER_TTL_SECONDS = 30
_REDIS_PAUSE_SECONDS = 1.0


class LeanWorker(SimpleWorker):
    """Takes jobs from one queue, and runs them in this very process.

    One queue only: from several, RQ pops in a way that loses the job when the worker dies just
    then. There is no command channel: whoever can write to Redis could stop us through it.

    Args:
        queue: Where jobs come from.
        name: What no other worker is called.
        stopping: Set when the process is to stop.
        may_take: Asked before each job; while it says no, none is taken.
        is_worn_out: Asked before each job; once it says yes, none is taken any more, and `work`
            returns.
    """

    log_result_lifespan = False
    log_job_description = False
    job_class = GuardedJob
    queue_class = JobQueue

    def __init__(
        self,
        queue: JobQueue,
        *,
        name: str,
        stopping: threading.Event,
        may_take: Callable[[], bool] = lambda: True,
        is_worn_out: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=queue.connection,
            serializer=JSONSerializer,
            worker_ttl=_WORKER_TTL_SECONDS,
            maintenance_interval=_MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        self._stopping = stopping
        self._may_take = may_take
        self._is_worn_out = is_worn_out
        self._job: Job | None = None
        self._last_beat = 0.0
        self._saved_state: str | None = None

    def bootstrap(self, *_: Any) -> None:
        """Register with Redis. RQ would also install log handlers and a command channel."""
        # It isn't the first time when Redis has failed in a job: what was then is over, and RQ
        # would refuse our own name because nobody could tell Redis that we had gone.
        self.executions.clear()
        self._saved_state = None
        self.connection.delete(self.key)
        self.register_birth()
        self.set_state(WorkerStatus.STARTED)

    def _install_signal_handlers(self) -> None:
        """Leave signals to the process's main: they set `stopping`."""

    def check_for_suspension(self, burst: bool) -> None:
        """Don't ask, before each job, whether `rq suspend` was run."""

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,  # noqa: ARG002
    ) -> tuple[Job, Queue] | None:
        """Wait for the next job; None when there is none and we are to end."""
        self.set_state(WorkerStatus.IDLE)
        is_burst = timeout is None
        is_redis_away = False
        while not self._stopping.is_set() and not self._is_worn_out():
            try:
                self.heartbeat()
                if not self._may_take():
                    self._stopping.wait(_POLL_SECONDS)
                    continue
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                found = self._dequeue(None if is_burst else _POLL_SECONDS)
            except DequeueTimeout:
                continue
            except REDIS_AWAY as error:
                if not is_redis_away:
                    log.error("redis_away", error=str(error), next_step="waiting for it")
                is_redis_away = True
                self._stopping.wait(_REDIS_PAUSE_SECONDS)
                continue
            if is_redis_away:
                log.info("redis_back")
            return found
        return None

    def _dequeue(self, timeout: int | None) -> tuple[Job, Queue] | None:
        found: tuple[Job, Queue] | None = self.queue_class.dequeue_any(
            self.queues,
            timeout,
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
            death_penalty_class=self.death_penalty_class,
        )
        if found:
            found[0].redis_server_version = self.get_redis_server_version()
        return found

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job; once it is done, nobody needs to look for it any more."""
        self._job = job
        try:
            is_done: bool = super().perform_job(job, queue, execution)
        finally:
            self._job = None
        if is_done:
            self._forget_pending(job)
        return is_done

    def _forget_pending(self, job: Job) -> None:
        try:
            self.connection.zrem(PENDING_KEY, job.id)
        except redis.RedisError as error:
            log.warning("pending_entry_kept", job_id=job.id, error=str(error))

    def beat(self) -> None:
        """Say that the job still runs; called by the job itself, as often as it likes."""
        if self._job is None or self.execution is None:
            return
        if time.monotonic() - self._last_beat < _HEARTBEAT_SECONDS:
            return
        self._last_beat = time.monotonic()
        try:
            self.maintain_heartbeats(self._job, self.execution)
            # A job that takes others along may go on for as long as there are any.
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
        except redis.RedisError as error:
            log.warning("heartbeat_failed", error=str(error))

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Seconds of silence after which RQ takes the job for abandoned."""
        return _JOB_LEASE_SECONDS

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that this worker lives, though not after every single job."""
        if pipeline is None:
            if time.monotonic() - self._last_beat < _HEARTBEAT_SECONDS:
                return
            self._last_beat = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """Remember the state, and tell Redis only of changes outside of jobs."""
        self._state = state
        if pipeline is not None or state == self._saved_state:
            return
        self._saved_state = state
        super().set_state(state)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log a failed job. RQ would log its arguments, which are customers' data."""
        log.error("job_failed", job_id=job.id, exc_info=exc_info)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Record a failed job in Redis, without its traceback: that may quote what was sent."""
        brief = exc_string.strip().rpartition("\n")[2].partition(":")[0]
        super().handle_job_failure(job, queue, started_job_registry, brief, execution)
