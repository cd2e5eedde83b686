"""Group commit: whatever arrives while one commit to Redis is in flight makes up the next.

No timer is involved. At low load a commit holds one event; under load it holds up to
`BATCH_EVENTS`, and one RQ job for all of them is what makes RQ fast.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

import redis
import structlog
from rq import Queue

from core.events import Arrival, EventId
from core.queue import BATCH_EVENTS, enqueue_batch, seen_key, to_wire

#: Bodies of one commit, unless a single one is larger: Redis serves nobody else meanwhile.
BATCH_BYTES = 4 * 1024 * 1024

#: Whoever waits for a commit at the end has been answered long before this is over.
_CLOSE_SECONDS = 5.0

log = structlog.get_logger()

#: Nobody waits longer for an answer. Behind a Redis that hangs, one batch after the other has to
#: time out: without a bound of its own, the last of a crowd would wait for all of them.
PATIENCE_SECONDS = 2.5


class Verdict(Enum):
    """What became of an event that was handed to the committer."""

    ACCEPTED = auto()
    DUPLICATE = auto()


class CommitError(Exception):
    """Redis could not take the event, or didn't say in time that it has."""


class BufferFullError(Exception):
    """More events are waiting for their commit than the receiver may hold in memory."""


class Committer(Protocol):
    """Something that keeps events for good before it answers."""

    async def commit(self, arrival: Arrival) -> Verdict:
        """Keep one event; return once it is safe."""


class _Waiting(NamedTuple):
    arrival: Arrival
    answer: "asyncio.Future[Verdict]"


class GroupCommitter:
    """Commits events to Redis from one thread of its own.

    A thread, because RQ speaks to Redis synchronously, and because the event loop then goes on
    reading requests while a commit is under way.

    Args:
        queue: Where the dispatch jobs go.
        dedupe_seconds: How long Redis remembers what has arrived.
        buffer_bytes: How many bytes of bodies may wait for their commit.
    """

    def __init__(self, queue: Queue, *, dedupe_seconds: int, buffer_bytes: int) -> None:
        self._queue = queue
        self._redis: redis.Redis = queue.connection
        self._loop: asyncio.AbstractEventLoop
        self._dedupe_seconds = dedupe_seconds
        self._buffer_bytes = buffer_bytes
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)

    def start(self) -> None:
        """Begin to take events, answering on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def commit(self, arrival: Arrival) -> Verdict:
        """Keep one event in Redis; return once it is there.

        Raises:
            BufferFullError: Too much is waiting already.
            CommitError: Redis failed, or was too slow. Whether it has the event, or will have it
                in a moment, is then unknown.
        """
        waiting = _Waiting(arrival, self._loop.create_future())
        with self._changed:
            if self._closing or self._waiting_bytes + len(arrival.raw) > self._buffer_bytes:
                raise BufferFullError
            if not self._waiting:
                # Only then may the other thread be asleep, and waking it costs more than the rest.
                self._changed.notify()
            self._waiting.append(waiting)
            self._waiting_bytes += len(arrival.raw)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await waiting.answer
        except TimeoutError:
            raise CommitError from None

    def close(self) -> None:
        """Finish the commits in flight, then stop; blocks, though not for a Redis that hangs."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while batch := self._next_batch():
            # One wake-up of the loop a batch: one an event would cost more than the event.
            try:
                verdicts = self._commit([waiting.arrival for waiting in batch])
            except redis.RedisError as error:
                log.error("commit_failed", events=len(batch), error=str(error))
                self._loop.call_soon_threadsafe(_fail, batch, CommitError())
            except Exception:
                # This thread outlives whatever happens here: without it every request would hang.
                log.exception("commit_failed", events=len(batch))
                self._loop.call_soon_threadsafe(_fail, batch, CommitError())
            else:
                self._loop.call_soon_threadsafe(_resolve, batch, verdicts)

    def _next_batch(self) -> list[_Waiting]:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch: list[_Waiting] = []
            room = BATCH_BYTES
            while self._waiting and len(batch) < BATCH_EVENTS:
                size = len(self._waiting[0].arrival.raw)
                if batch and size > room:
                    break
                room -= size
                self._waiting_bytes -= size
                batch.append(self._waiting.popleft())
            return batch

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Verdict]:
        """Put what is new into Redis with its duplicate markers, in one transaction."""
        unique = {arrival.id: arrival for arrival in arrivals}
        markers = self._redis.mget([seen_key(event_id) for event_id in unique])
        new = [a for a, marker in zip(unique.values(), markers, strict=True) if marker is None]
        fresh = self._store(new) if new else set()
        verdicts = []
        for arrival in arrivals:
            # Of several in one batch, the first is the one that was accepted.
            is_first = arrival.id in fresh
            fresh.discard(arrival.id)
            verdicts.append(Verdict.ACCEPTED if is_first else Verdict.DUPLICATE)
        return verdicts

    def _store(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Commit events; return those that no other process has committed in the meantime."""
        with self._redis.pipeline(transaction=True) as pipeline:
            for arrival in arrivals:
                pipeline.set(seen_key(arrival.id), b"1", ex=self._dedupe_seconds, nx=True)
            enqueue_batch(self._queue, map(to_wire, arrivals), pipeline)
            replies = pipeline.execute()
        return {
            arrival.id
            for arrival, was_set in zip(arrivals, replies, strict=False)
            if was_set is not None
        }


def _resolve(batch: Iterable[_Waiting], verdicts: Iterable[Verdict]) -> None:
    for waiting, verdict in zip(batch, verdicts, strict=True):
        # A client that has gone away cancelled its request; its event is committed all the same.
        if not waiting.answer.done():
            waiting.answer.set_result(verdict)


def _fail(batch: Iterable[_Waiting], error: CommitError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
