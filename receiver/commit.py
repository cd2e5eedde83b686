"""Group commit: whatever arrives while one commit is in flight makes up the next.

No timer is involved. At low load a commit holds one event; under load it holds up to
`BATCH_EVENTS`, and one RQ job for all of them is what makes RQ fast.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

import structlog

from core.events import Arrival, EventId
from core.queue import BATCH_EVENTS

#: Bodies of one commit, unless a single one is larger: Redis serves nobody else meanwhile.
BATCH_BYTES = 4 * 1024 * 1024

#: Whoever waits for a commit at the end has been answered long before this is over.
_CLOSE_SECONDS = 5.0

log = structlog.get_logger()

#: Nobody waits longer for an answer: two seconds for a Redis that hangs, one for the disk.
PATIENCE_SECONDS = 3.0


class Verdict(Enum):
    """What became of an event that was handed to the committer."""

    ACCEPTED = auto()
    DUPLICATE = auto()


class CommitError(Exception):
    """Neither Redis nor the disk could take the event, or didn't say in time that it has."""


class BufferFullError(Exception):
    """More events are waiting for their commit than the receiver may hold in memory."""


class Committer(Protocol):
    """Something that keeps events for good before it answers."""

    async def commit(self, arrival: Arrival) -> Verdict:
        """Keep one event; return once it is safe."""


class Keeper(Protocol):
    """Where batches go. Called from one thread only."""

    @property
    def most_events(self) -> int:
        """How many events the next batch may have."""

    def keep(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Keep a batch for good, all of it; return the events that were new.

        Raises:
            CommitError: It could not be kept.
        """

    def close(self) -> None:
        """Let go of everything, when there will be no further batch."""


def has_room(events: int, size: int, body: int, most_events: int = BATCH_EVENTS) -> bool:
    """Tell whether a batch of so many events and bytes has room for one more body."""
    return not events or (events < most_events and size + body <= BATCH_BYTES)


class _Waiting(NamedTuple):
    arrival: Arrival
    answer: "asyncio.Future[Verdict]"


class GroupCommitter:
    """Commits events from one thread of its own.

    A thread, because RQ speaks to Redis synchronously, and because the event loop then goes on
    reading requests while a commit is under way.

    Args:
        keeper: Commits one batch after the other.
        buffer_bytes: How many bytes of bodies may wait for their commit.
    """

    def __init__(self, keeper: Keeper, *, buffer_bytes: int) -> None:
        self._keeper = keeper
        self._loop: asyncio.AbstractEventLoop
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
        """Keep one event; return once it is safe.

        Raises:
            BufferFullError: Too much is waiting already.
            CommitError: It could not be kept, or not in time. Whether Redis has the event, or will
                have it in a moment, is then unknown.
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
                fresh = self._keeper.keep([waiting.arrival for waiting in batch])
            except CommitError:
                self._loop.call_soon_threadsafe(_fail, batch, CommitError())
            except Exception:
                # This thread outlives whatever happens here: without it every request would hang.
                log.exception("commit_failed", events=len(batch))
                self._loop.call_soon_threadsafe(_fail, batch, CommitError())
            else:
                self._loop.call_soon_threadsafe(_resolve, batch, _verdicts(batch, fresh))
        self._keeper.close()

    def _next_batch(self) -> list[_Waiting]:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch: list[_Waiting] = []
            size, most = 0, self._keeper.most_events
            while self._waiting:
                body = len(self._waiting[0].arrival.raw)
                if not has_room(len(batch), size, body, most):
                    break
                size += body
                batch.append(self._waiting.popleft())
            self._waiting_bytes -= size
            return batch


def _verdicts(batch: Iterable[_Waiting], fresh: set[EventId]) -> list[Verdict]:
    verdicts = []
    for waiting in batch:
        # Of several in one batch, the first is the one that was accepted.
        is_first = waiting.arrival.id in fresh
        fresh.discard(waiting.arrival.id)
        verdicts.append(Verdict.ACCEPTED if is_first else Verdict.DUPLICATE)
    return verdicts


def _resolve(batch: Iterable[_Waiting], verdicts: Iterable[Verdict]) -> None:
    for waiting, verdict in zip(batch, verdicts, strict=True):
        # A client that has gone away cancelled its request; its event is committed all the same.
        if not waiting.answer.done():
            waiting.answer.set_result(verdict)


def _fail(batch: Iterable[_Waiting], error: CommitError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
