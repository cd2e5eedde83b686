"""Keeps each batch of arrivals: in Redis, and on disk for as long as Redis can't take it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

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

CommitToRedis = Callable[[Sequence[Arrival]], Awaitable[set[EventId]]]


class SpoolingKeeper:
    """Commits to Redis; spools what Redis refuses, and what comes until the spool is drained.

    Redis is spoken to on the event loop, the disk in a thread.

    Args:
        commit_to_redis: Puts events into Redis, or raises `redis.RedisError`.
        spool: This keeper's own.
        mode: Shared with the drainer of this process.
    """

    def __init__(self, commit_to_redis: CommitToRedis, spool: Spool, mode: Mode) -> None:
        self._commit_to_redis = commit_to_redis
        self._spool = spool
        self._mode = mode
        self._disk = ThreadPoolExecutor(1, "spool")

    @property
    def most_events(self) -> int:
        """How many events the next batch may have."""
        return SPOOL_EVENTS if self._mode.spooling else BATCH_EVENTS

    async def keep(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Keep a batch for good, all of it; return the events that were new.

        Raises:
            CommitError: Neither Redis nor the spool could take it.
        """
        loop = asyncio.get_running_loop()
        if self._mode.spooling:
            spooled = await loop.run_in_executor(self._disk, self._queue_up, arrivals)
            if spooled is not None:
                return spooled
        # Nothing is spooled, or the spool takes nothing: then out of turn is better than refused.
        try:
            return await self._commit_to_redis(arrivals)
        except redis.RedisError as error:
            return await loop.run_in_executor(self._disk, self._spool_after, error, arrivals)

    def _spool_after(self, error: redis.RedisError, arrivals: Sequence[Arrival]) -> set[EventId]:
        with self._mode.lock:
            self._mode.redis_failed(error)
            try:
                return self._append(arrivals)
            except SpoolError:
                raise CommitError from error

    def _queue_up(self, arrivals: Sequence[Arrival]) -> set[EventId] | None:
        """Get in line behind what is spooled; None if Redis is to take the events after all."""
        if self._mode.redis_error is None:
            time.sleep(_DRAINING_PAUSE_SECONDS)
        with self._mode.lock:
            try:
                self._mode.spooled = self._spool.left()
                self._mode.end_if_over()
                return self._append(arrivals) if self._mode.spooling else None
            except SpoolError as error:
                self._mode.spool_failed(error)
                if self._mode.redis_error is not None:
                    raise CommitError from error
                return None

    def _append(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        try:
            fresh = self._spool.append(arrivals)
        except SpoolError as error:
            self._mode.spool_failed(error)
            raise
        self._mode.spool_took(len(fresh), self._spool.left())
        return fresh

    def close(self) -> None:
        """Close the spool, once nothing is under way; blocks."""
        self._disk.submit(self._spool.close)
        self._disk.shutdown()
