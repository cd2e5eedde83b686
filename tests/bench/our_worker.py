"""Our worker, as it runs in production, and the jobs that wait for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from core.events import Arrival
from core.queue import BATCH_EVENTS, EVENTS_QUEUE, PENDING_KEY, connect, open_queue
from receiver.transaction import RedisCommit
from tests.bench import orders, working_off
from tests.bench.bench import SERVER_CORE, Bench, service_environment
from tests.bench.ledgers import recorded_attempts, require_all_succeeded
from tests.support.processes import Process
from tests.support.redis_server import RedisServer

_DEDUPE_SECONDS = 7 * 24 * 3600
#: Handlers that do nothing.
NOOP = "tests.bench.handlers.noop"


def rate(
    bench: Bench,
    ledger_url: str,
    *,
    events: int,
    events_per_job: int = BATCH_EVENTS,
    handlers: str = NOOP,
    **settings: str,
) -> float:
    """Events a second that one worker process of 16 threads handles, outcomes in the ledger.

    Args:
        bench: Where it runs.
        ledger_url: An empty ledger.
        events: How many wait when it starts.
        events_per_job: How many travel in one job.
        handlers: The module whose handlers they are for.
        settings: What else the worker finds in its environment.
    """
    arrivals = orders.arrivals(events)
    per_second = work_off(
        bench, ledger_url, arrivals, events_per_job, handlers, until=events, **settings
    )
    require_all_succeeded(ledger_url, events)
    return per_second


def work_off(
    bench: Bench,
    ledger_url: str,
    arrivals: Sequence[Arrival],
    events_per_job: int = BATCH_EVENTS,
    handlers: str = NOOP,
    *,
    until: int,
    **settings: str,
) -> float:
    """The same with these events; measured until so many are done."""
    with bench.redis() as redis:
        fill(redis, arrivals, events_per_job)
        with (
            start(bench, redis, ledger_url, handlers, **settings) as worker,
            recorded_attempts(ledger_url) as done,
        ):
            return working_off.measure(worker, done, until)


def fill(redis: RedisServer, arrivals: Sequence[Arrival], events_per_job: int) -> int:
    """Queue events as the receiver does; return the number of jobs."""
    connection = connect(redis.url, timeout=timedelta(seconds=5))
    commit = RedisCommit(open_queue(EVENTS_QUEUE, connection), dedupe_seconds=_DEDUPE_SECONDS)
    for first in range(0, len(arrivals), events_per_job):
        commit(arrivals[first : first + events_per_job])
    jobs: int = connection.zcard(PENDING_KEY)
    connection.close()
    return jobs


@contextmanager
def start(
    bench: Bench, redis: RedisServer, ledger_url: str, handlers: str = NOOP, **settings: str
) -> Iterator[Process]:
    """Run a worker on the server's core for as long as the block lasts.

    It is one process, unless `settings` say otherwise.
    """
    folder = bench.new_folder("worker")
    environment = service_environment(
        folder,
        redis_url=redis.url,
        ledger_url=ledger_url,
        HANDLERS=handlers,
        **{"WORKER_PROCESSES": "1", "WORKER_THREADS": "16", **settings},
    )
    command = ("python", "-m", "ops", "worker")
    with bench.start(*command, core=SERVER_CORE, folder=folder, environment=environment) as worker:
        yield worker
