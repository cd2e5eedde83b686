"""Group commit: whatever arrives while one commit is in flight makes up the next.

No timer is involved. At low load a commit holds one event; under load it holds up to
`BATCH_EVENTS`, and one RQ job for all of them is what makes RQ fast.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from enum import Enum, auto
from itertools import chain
from typing import NamedTuple, Protocol

import structlog

from core.events import Arrival, EventId
from core.queue import BATCH_EVENTS

#: Bodies of one commit, unless a single one is larger: Redis serves nobody else meanwhile.
BATCH_BYTES = 4 * 1024 * 1024

#: Whoever waits for a commit at the end has been answered long before this is over.
_CLOSE_SECONDS = 5.0

#: Nobody waits longer for an answer: two seconds for a Redis that hangs, one for the disk.
PATIENCE_SECONDS = 3.0

#: How often those are looked for who have waited too long.
_LOOK_SECONDS = 0.1

#: How often the event loop goes round before a commit: what it reads meanwhile comes along, and a
#: commit more would take longer.
_TURNS = 2

log = structlog.get_logger()


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

    def commit(self, arrival: Arrival) -> Awaitable[Verdict]:
        """Keep one event; what is awaited comes once it is safe."""


class Keeper(Protocol):
    """Where batches go, one after the other."""

    @property
    def most_events(self) -> int:
        """How many events the next batch may have."""

    async def keep(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Keep a batch for good, all of it; return the events that were new.

        Raises:
            CommitError: It could not be kept.
        """

    def close(self) -> None:
        """Let go of everything, when there will be no further batch; may block."""


def has_room(events: int, size: int, body: int, most_events: int = BATCH_EVENTS) -> bool:
    """Tell whether a batch of so many events and bytes has room for one more body."""
    return not events or (events < most_events and size + body <= BATCH_BYTES)


class _Waiting(NamedTuple):
    arrival: Arrival
    since: float
    answer: "asyncio.Future[Verdict]"


class GroupCommitter:
    """Commits the events of one event loop.

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
        self._in_flight: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._closing = False

    def start(self) -> None:
        """Begin to take events, on the running event loop."""
        self._loop = asyncio.get_running_loop()

    def commit(self, arrival: Arrival) -> "asyncio.Future[Verdict]":
        """Keep one event; what is awaited comes once it is safe.

        It raises `CommitError` where the event could not be kept, or not in time. Whether Redis has
        the event, or will have it in a moment, is then unknown.

        Raises:
            BufferFullError: Too much is waiting already.
        """
        if self._closing or self._waiting_bytes + len(arrival.raw) > self._buffer_bytes:
            raise BufferFullError
        answer = self._loop.create_future()
        self._waiting.append(_Waiting(arrival, self._loop.time(), answer))
        self._waiting_bytes += len(arrival.raw)
        if self._committing is None:
            self._committing = self._loop.create_task(self._commit_all())
        if self._watch is None:
            self._watch = self._loop.call_later(_LOOK_SECONDS, self._look)
        return answer

    async def close(self) -> None:
        """Finish the commits in flight, then stop; doesn't wait for long."""
        self._closing = True
        if self._committing is not None:
            await asyncio.wait((self._committing,), timeout=_CLOSE_SECONDS)
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.to_thread(self._keeper.close)

    async def _commit_all(self) -> None:
        while self._waiting:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            self._in_flight = self._next_batch()
            await self._commit_batch(self._in_flight)
        self._in_flight = []
        self._committing = None

    async def _commit_batch(self, batch: Sequence[_Waiting]) -> None:
        try:
            fresh = await self._keeper.keep([waiting.arrival for waiting in batch])
        except CommitError:
            _fail(batch)
        except Exception:
            # Whatever happens here, the next batch has its turn: else every request would hang.
            log.exception("commit_failed", events=len(batch))
            _fail(batch)
        else:
            _resolve(batch, fresh)

    def _next_batch(self) -> list[_Waiting]:
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

    def _look(self) -> None:
        """Answer those who have waited too long; a timer for each of them would cost too much."""
        self._watch = None
        late = self._loop.time() - PATIENCE_SECONDS
        for waiting in chain(self._in_flight, self._waiting):
            if waiting.since > late:
                break
            _fail((waiting,))
        if self._committing is not None:
            self._watch = self._loop.call_later(_LOOK_SECONDS, self._look)


def _resolve(batch: Iterable[_Waiting], fresh: set[EventId]) -> None:
    for waiting in batch:
        # Of several in one batch, the first is the one that was accepted.
        is_first = waiting.arrival.id in fresh
        fresh.discard(waiting.arrival.id)
        # A client that has gone away cancelled its request; its event is committed all the same.
        if not waiting.answer.done():
            waiting.answer.set_result(Verdict.ACCEPTED if is_first else Verdict.DUPLICATE)


def _fail(batch: Iterable[_Waiting]) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(CommitError())
