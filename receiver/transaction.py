"""The transaction that puts events into Redis, whether they come from the network or from disk."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain

import redis
from rq import Queue

from core.events import Arrival, EventId
from core.queue import batch_commands, seen_key, to_wire
from receiver.channel import ScriptChannel, Word
from receiver.commit import has_room

#: One round trip, in which Redis does nothing else. KEYS are the events' duplicate markers. If none
#: of them is there, the commands in ARGV, each behind its length, put a job with all events into
#: Redis, and then the markers are set: last, so that an event whose job failed isn't taken for a
#: duplicate. Otherwise nothing is done. Returned are the positions of the markers that were there.
_SCRIPT = """
local seen = {}
for position, marker in ipairs(redis.call('MGET', unpack(KEYS))) do
    if marker then seen[#seen + 1] = position - 1 end
end
if #seen > 0 then return seen end
local first = 2
while first <= #ARGV do
    local last = first + ARGV[first]
    redis.call(unpack(ARGV, first + 1, last))
    first = last + 1
end
for _, key in ipairs(KEYS) do
    redis.call('SET', key, '1', 'EX', ARGV[1])
end
return seen
"""

#: Compressing more than so many bytes would keep the event loop from all else for too long.
_LARGE_BYTES = 256 * 1024


class _Transaction:
    """What a commit of some events says to Redis."""

    def __init__(self, queue: Queue, dedupe_seconds: int) -> None:
        self._queue = queue
        self._dedupe_seconds = dedupe_seconds

    def keys(self, arrivals: Sequence[Arrival]) -> list[str]:
        """The markers."""
        return [seen_key(arrival.id) for arrival in arrivals]

    def arguments(self, arrivals: Sequence[Arrival]) -> list[Word]:
        """The rest."""
        _, commands = batch_commands(self._queue, map(to_wire, arrivals))
        return [
            self._dedupe_seconds,
            *chain.from_iterable((len(command), *command) for command in commands),
        ]


class RedisCommit:
    """Commits events to Redis, waiting for it.

    Args:
        queue: Where the dispatch jobs go.
        dedupe_seconds: How long Redis remembers what has arrived.
    """

    def __init__(self, queue: Queue, *, dedupe_seconds: int) -> None:
        self._transaction = _Transaction(queue, dedupe_seconds)
        self._script = queue.connection.register_script(_SCRIPT)

    def __call__(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Put what is new into Redis, one job a batch; return what was new.

        More events than one job may have are several transactions.

        Raises:
            redis.RedisError: Redis failed, or was too slow. Whether it has the events, or will have
                them in a moment, is then unknown.
        """
        fresh: set[EventId] = set()
        for batch in batches(arrivals):
            fresh |= self._commit(batch)
        return fresh

    def _commit(self, batch: Sequence[Arrival]) -> set[EventId]:
        new = _unique(batch)
        while new:
            seen = self._script(self._transaction.keys(new), self._transaction.arguments(new))
            if not seen:
                break
            new = _without(new, seen)
        return {arrival.id for arrival in new}


class AsyncRedisCommit:
    """The same on the event loop: a thread would take more time to wake than the commit takes.

    Args:
        url: The Redis of `queue`.
        queue: Where the dispatch jobs go.
        dedupe_seconds: How long Redis remembers what has arrived.
        timeout: What a commit may take, all in all.
    """

    def __init__(
        self,
        url: str,
        queue: Queue,
        *,
        dedupe_seconds: int,
        timeout: timedelta,
    ) -> None:
        self._transaction = _Transaction(queue, dedupe_seconds)
        self._channel = ScriptChannel(url, _SCRIPT)
        self._seconds = timeout.total_seconds()

    async def __call__(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Put what is new into Redis, one job a batch; return what was new.

        Raises:
            redis.RedisError: As for `RedisCommit`.
        """
        fresh: set[EventId] = set()
        try:
            async with asyncio.timeout(self._seconds):
                for batch in batches(arrivals):
                    fresh |= await self._commit(batch)
        except TimeoutError:
            raise redis.TimeoutError(f"Redis took longer than {self._seconds:g} s") from None
        return fresh

    async def close(self) -> None:
        """Let go of Redis."""
        await self._channel.close()

    async def _commit(self, batch: Sequence[Arrival]) -> set[EventId]:
        new = _unique(batch)
        while new:
            arguments = await self._arguments(new)
            seen = await self._channel.call(self._transaction.keys(new), arguments)
            if not seen:
                break
            new = _without(new, seen)
        return {arrival.id for arrival in new}

    async def _arguments(self, arrivals: Sequence[Arrival]) -> list[Word]:
        if sum(len(arrival.raw) for arrival in arrivals) <= _LARGE_BYTES:
            return self._transaction.arguments(arrivals)
        return await asyncio.to_thread(self._transaction.arguments, arrivals)


def batches(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """Cut events into batches that one job may carry."""
    first = size = 0
    for position, arrival in enumerate(arrivals):
        if not has_room(position - first, size, len(arrival.raw)):
            yield arrivals[first:position]
            first, size = position, 0
        size += len(arrival.raw)
    yield arrivals[first:]


def _unique(arrivals: Sequence[Arrival]) -> list[Arrival]:
    return list({arrival.id: arrival for arrival in arrivals}.values())


def _without(arrivals: Sequence[Arrival], positions: Sequence[int]) -> list[Arrival]:
    left_out = set(positions)
    return [arrival for n, arrival in enumerate(arrivals) if n not in left_out]
