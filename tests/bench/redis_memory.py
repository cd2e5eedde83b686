"""What Redis needs for one waiting event, against a stock RQ job with the same body."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import redis
from rq import Queue

from core.events import Arrival
from core.queue import BATCH_EVENTS, EVENTS_QUEUE, connect, enqueue_batch, open_queue, to_wire
from receiver.transaction import RedisCommit
from tests.bench import orders
from tests.bench.bench import Bench
from tests.bench.rows import Row, Target, at_most

_EVENTS = 20_000
_DEDUPE_SECONDS = 7 * 24 * 3600

#: Connections, buffers and scripts are there before the first event counts.
_FIRST_EVENTS = BATCH_EVENTS

Enqueue = Callable[["redis.Redis", Sequence[Arrival]], None]


def measure(bench: Bench) -> list[Row]:
    """Fill an empty Redis in each way once: the figures don't vary."""
    arrivals = orders.arrivals(_FIRST_EVENTS + _EVENTS)
    rq = _bytes_an_event(bench, arrivals, _as_stock_jobs)

    def row(what: str, events_per_job: int, enqueue: Enqueue, target: Target | None) -> Row:
        ours = _bytes_an_event(bench, arrivals, _in_batches(enqueue, events_per_job))
        bench.say(f"  {what}: {ours:,.0f} bytes an event, stock RQ job: {rq:,.0f}")
        return Row(what, _text(ours), "stock RQ job", _text(rq), ours / rq, target)

    full, single = f"jobs of {BATCH_EVENTS} events", "jobs of one event"
    return [
        row(f"Redis memory, {full}", BATCH_EVENTS, _with_markers, at_most(0.25)),
        row(f"Redis memory, {single}", 1, _with_markers, at_most(0.6)),
        row(f"the same without duplicate markers, {full}", BATCH_EVENTS, _without_markers, None),
        row(f"the same without duplicate markers, {single}", 1, _without_markers, None),
    ]


def _bytes_an_event(bench: Bench, arrivals: Sequence[Arrival], enqueue: Enqueue) -> float:
    with bench.redis() as server, server.client() as client:
        connection = connect(server.url, timeout=timedelta(seconds=10))
        enqueue(connection, arrivals[:_FIRST_EVENTS])
        before = _used_bytes(client)
        enqueue(connection, arrivals[_FIRST_EVENTS:])
        after = _used_bytes(client)
        connection.close()
        return (after - before) / _EVENTS


def _used_bytes(client: "redis.Redis") -> int:
    # Within a second Redis has shrunk the buffers of connections that are idle.
    time.sleep(1.5)
    return int(client.info("memory")["used_memory"])


def _in_batches(enqueue: Enqueue, events_per_job: int) -> Enqueue:
    def enqueue_all(connection: "redis.Redis", arrivals: Sequence[Arrival]) -> None:
        for first in range(0, len(arrivals), events_per_job):
            enqueue(connection, arrivals[first : first + events_per_job])

    return enqueue_all


def _with_markers(connection: "redis.Redis", arrivals: Sequence[Arrival]) -> None:
    """Commit one batch as the receiver does."""
    RedisCommit(open_queue(EVENTS_QUEUE, connection), dedupe_seconds=_DEDUPE_SECONDS)(arrivals)


def _without_markers(connection: "redis.Redis", arrivals: Sequence[Arrival]) -> None:
    with connection.pipeline(transaction=True) as pipeline:
        queue = open_queue(EVENTS_QUEUE, connection)
        enqueue_batch(queue, map(to_wire, arrivals), pipeline)
        pipeline.execute()


def _as_stock_jobs(connection: "redis.Redis", arrivals: Sequence[Arrival]) -> None:
    queue = Queue(EVENTS_QUEUE, connection=connection)
    for arrival in arrivals:
        queue.enqueue("tasks.handle", arrival.raw)


def _text(size: float) -> str:
    return f"{size:.0f} bytes"
