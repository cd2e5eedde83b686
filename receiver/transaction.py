"""The transaction that puts events into Redis, whether they come from the network or from disk."""

from collections.abc import Iterator, Sequence

import redis
from rq import Queue

from core.events import Arrival, EventId
from core.queue import enqueue_batch, seen_key, to_wire
from receiver.commit import has_room


class RedisCommit:
    """Commits batches of events to Redis. Threads may share it.

    Args:
        queue: Where the dispatch jobs go.
        dedupe_seconds: How long Redis remembers what has arrived.
    """

    def __init__(self, queue: Queue, *, dedupe_seconds: int) -> None:
        self._queue = queue
        self._redis: redis.Redis = queue.connection
        self._dedupe_seconds = dedupe_seconds

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

    def _commit(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Look up what has been seen; commit the rest with its duplicate markers."""
        unique = {arrival.id: arrival for arrival in arrivals}
        markers = self._redis.mget([seen_key(event_id) for event_id in unique])
        new = [a for a, marker in zip(unique.values(), markers, strict=True) if marker is None]
        return self._store(new) if new else set()

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


def batches(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """Cut events into batches that one job may carry."""
    first = size = 0
    for position, arrival in enumerate(arrivals):
        if not has_room(position - first, size, len(arrival.raw)):
            yield arrivals[first:position]
            first, size = position, 0
        size += len(arrival.raw)
    yield arrivals[first:]
