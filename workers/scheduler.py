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

#: When the one that acts dies, another takes over after so long.
_TURN = timedelta(seconds=10)

#: Longer than a worker takes to renew its leases once the ledger is back.
_RENEWAL = LEASE_RENEWAL + timedelta(seconds=4)

_LOCK_KEY = "ecomlinx:sweep"


class Scheduler:
    """Sweeps every two seconds while it is its turn, and deletes what is old in between."""

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

    def run(self) -> None:
        """Sweep until asked to stop; what goes wrong is said once, and tried again."""
        while not self._stopping.is_set():
            has_more = False
            try:
                has_more = self._is_my_turn() and self._act()
                self._say_if_well_again()
            except SQLAlchemyError as error:
                self._silence_counts_from = self._soon()
                self._say_once(error)
            except redis.RedisError as error:
                # Workers renew their leases without it.
                self._say_once(error)
            if not has_more:
                self._stopping.wait(INTERVAL.total_seconds())
        self._end_turn()

    def _act(self) -> bool:
        """Make one pass; True if there may be more to do at once."""
        has_more = self._sweep.run(silence_counts=time.monotonic() >= self._silence_counts_from)
        if self._retention and not has_more:
            self._retention.run()
        return has_more

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
