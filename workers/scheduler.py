"""The sweep's process: any number may run, one of them acts."""

import threading
import time
from datetime import timedelta

import redis
import structlog
from redis.exceptions import LockError
from redis.lock import Lock
from sqlalchemy.exc import SQLAlchemyError

from workers.retention import Retention
from workers.runtime import LEASE_RENEWAL
from workers.sweep import Sweep

log = structlog.get_logger()

INTERVAL = timedelta(seconds=2)

#: How soon what has become due is queued in between. What waits for the API's budget is each due at
#: a time of its own, and budget that is used late is lost.
_SHORTEST_PAUSE = timedelta(seconds=0.1)

#: When the one that acts dies, another takes over after so long.
_TURN = timedelta(seconds=10)

#: Longer than a worker takes to renew its leases once the ledger is back.
_RENEWAL = LEASE_RENEWAL + timedelta(seconds=4)

_LOCK_KEY = "ecomlinx:sweep"


class Scheduler:
    """Sweeps every two seconds while it is its turn, and deletes what is old in between.

    Between two passes it queues what becomes due, at its time.
    """

    def __init__(
        self,
        sweep: Sweep,
        connection: "redis.Redis",
        stopping: threading.Event,
        retention: Retention | None = None,
    ) -> None:
        self._sweep = sweep
        self._retention = retention
        self._stopping = stopping
        self._lock = Lock(connection, _LOCK_KEY, timeout=_TURN.total_seconds(), thread_local=False)
        self._is_well = True
        self._silence_counts_from = self._soon()
        self._next_pass_at = 0.0

    def run(self) -> None:
        """Sweep until asked to stop; what goes wrong is said once, and tried again."""
        while not self._stopping.is_set():
            pause = INTERVAL.total_seconds()
            try:
                if self._is_my_turn():
                    pause = self._act()
                self._say_if_well_again()
            except SQLAlchemyError as error:
                self._silence_counts_from = self._soon()
                self._say_once(error)
            except redis.RedisError as error:
                # Workers renew their leases without it.
                self._say_once(error)
            self._stopping.wait(pause)
        self._end_turn()

    def _act(self) -> float:
        """Make one pass, or queue what has become due in between; return how long to rest."""
        has_more = self._make_pass() if self._is_time_for_a_pass() else self._sweep.run_due()
        return 0.0 if has_more else self._seconds_to_rest()

    def _is_time_for_a_pass(self) -> bool:
        return time.monotonic() >= self._next_pass_at

    def _make_pass(self) -> bool:
        """Make one pass; True if there may be more to do at once."""
        has_more = self._sweep.run(silence_counts=time.monotonic() >= self._silence_counts_from)
        if has_more:
            return True
        if self._retention:
            self._retention.run()
        self._next_pass_at = time.monotonic() + INTERVAL.total_seconds()
        return False

    def _seconds_to_rest(self) -> float:
        """Until the next pass is due, or a retry before that."""
        until_pass = self._next_pass_at - time.monotonic()
        until_due = self._sweep.seconds_until_due()
        if until_due is None:
            return max(until_pass, 0.0)
        return max(min(until_pass, max(until_due, _SHORTEST_PAUSE.total_seconds())), 0.0)

    @staticmethod
    def _soon() -> float:
        """When workers that had no ledger will have renewed their leases, if they are alive."""
        return time.monotonic() + _RENEWAL.total_seconds()

    def _is_my_turn(self) -> bool:
        if self._lock.owned():
            try:
                return bool(self._lock.reacquire())
            except LockError:
                log.info("sweep_turn_lost")
                return False
        if not self._lock.acquire(blocking=False):
            return False
        log.info("sweep_turn_taken")
        return True

    def _end_turn(self) -> None:
        try:
            if self._lock.owned():
                self._lock.release()
        except (redis.RedisError, LockError):
            # The turn ends by itself soon.
            log.debug("sweep_turn_not_released")

    def _say_once(self, error: Exception) -> None:
        if self._is_well:
            log.error("sweep_failed", error=type(error).__name__, next_step="trying again")
        self._is_well = False

    def _say_if_well_again(self) -> None:
        if not self._is_well:
            log.info("sweep_works_again")
        self._is_well = True
