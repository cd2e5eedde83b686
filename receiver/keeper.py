"""Keeps each batch of arrivals: in Redis, and on disk for as long as Redis can't take it."""

import time
from collections.abc import Callable, Sequence

import redis

from core.events import Arrival, EventId
from core.queue import BATCH_EVENTS
from receiver.commit import CommitError
from receiver.mode import Mode
from receiver.spool import Spool
from receiver.spool_errors import SpoolError

#: One transaction of the spool may have so many events: syncing the disk is what takes time.
SPOOL_EVENTS = 1024

#: While the spool is drained, arrivals wait so long before they go there: they come in larger
#: batches then, and between those of all processes the spool has a chance to become empty.
_DRAINING_PAUSE_SECONDS = 0.02

CommitToRedis = Callable[[Sequence[Arrival]], set[EventId]]


class SpoolingKeeper:
    """Commits to Redis; spools what Redis refuses, and what comes until the spool is drained.

    Args:
        commit_to_redis: Puts events into Redis, or raises `redis.RedisError`.
        spool: This keeper's own.
        mode: Shared with the drainer of this process.
    """

    def __init__(self, commit_to_redis: CommitToRedis, spool: Spool, mode: Mode) -> None:
        self._commit_to_redis = commit_to_redis
        self._spool = spool
        self._mode = mode

    @property
    def most_events(self) -> int:
        """How many events the next batch may have."""
        return SPOOL_EVENTS if self._mode.spooling else BATCH_EVENTS

    def keep(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Keep a batch for good, all of it; return the events that were new.

        Raises:
            CommitError: Neither Redis nor the spool could take it.
        """
        if self._mode.spooling:
            return self._queue_up(arrivals)
        try:
            return self._commit_to_redis(arrivals)
        except redis.RedisError as error:
            return self._spool_after(error, arrivals)

    def _spool_after(self, error: redis.RedisError, arrivals: Sequence[Arrival]) -> set[EventId]:
        with self._mode.lock:
            self._mode.redis_failed(error)
            try:
                return self._append(arrivals)
            except SpoolError:
                raise CommitError from error

    def _queue_up(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Get in line behind what is spooled, unless the line has come to its end."""
        if self._mode.redis_error is None:
            time.sleep(_DRAINING_PAUSE_SECONDS)
        with self._mode.lock:
            try:
                self._mode.spooled = self._spool.left()
                self._mode.end_if_over()
                if self._mode.spooling:
                    return self._append(arrivals)
            except SpoolError as error:
                self._mode.spool_failed(error)
                if self._mode.redis_error is not None:
                    raise CommitError from error
        # Either the spool is empty, or it takes nothing: then out of turn is better than refused.
        try:
            return self._commit_to_redis(arrivals)
        except redis.RedisError as error:
            return self._spool_after(error, arrivals)

    def _append(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        try:
            fresh = self._spool.append(arrivals)
        except SpoolError as error:
            self._mode.spool_failed(error)
            raise
        self._mode.spool_took(len(fresh), self._spool.left())
        return fresh

    def close(self) -> None:
        """Close the spool, once nothing is under way."""
        self._spool.close()
