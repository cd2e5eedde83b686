"""The same work with much lying around: events that wait in Redis, and events in the ledger."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from core.events import Arrival
from core.ledger.database import Database
from core.queue import BATCH_EVENTS, EVENTS_QUEUE, connect, open_queue
from tests.bench import grown_ledger, ledger_queries, load, orders, our_receiver, our_worker
from tests.bench.bench import Bench
from tests.bench.ledgers import postgres, postgres_ledger, sqlite_ledger
from tests.bench.rows import Row, at_least, at_most, per_second, ratio_of_rounds
from workers.sweep import Sweep

_IN_REDIS = 300_000
_WORKED_OFF = 200 * BATCH_EVENTS
_CONNECTIONS = 32
_SWEEPS = 20
_LIMIT_MS = 100


def measure(bench: Bench) -> list[Row]:
    """First with a full Redis, then with a full ledger."""
    return [*_with_full_redis(bench), *_with_full_ledger(bench)]


def _with_full_redis(bench: Bench) -> list[Row]:
    bench.say(f"  making {_IN_REDIS:,} events")
    # Other events than those that are sent.
    waiting = orders.arrivals(_IN_REDIS, first=1_000_000)
    requests = load.write_requests(bench)
    rows = [
        _compared(
            bench,
            f"ingest, {_CONNECTIONS} connections, {_IN_REDIS:,} events waiting",
            partial(_ingest, bench, requests, waiting),
            partial(_ingest, bench, requests, ()),
        ),
        _compared(
            bench,
            f"dispatch, SQLite, {_IN_REDIS:,} events waiting",
            lambda: our_worker.work_off(bench, sqlite_ledger(bench), waiting, until=_WORKED_OFF),
            lambda: our_worker.work_off(
                bench, sqlite_ledger(bench), waiting[:_WORKED_OFF], until=_WORKED_OFF
            ),
        ),
        _sweep(bench, waiting, BATCH_EVENTS),
        _sweep(bench, waiting, 1),
    ]
    requests.path.unlink()
    return rows


def _ingest(bench: Bench, requests: load.Requests, waiting: Sequence[Arrival]) -> float:
    with bench.redis() as redis:
        with redis.client() as client:
            client.config_set("auto-aof-rewrite-percentage", 0)
        if waiting:
            our_worker.fill(redis, waiting, BATCH_EVENTS)
        with our_receiver.start(bench, redis) as (_, port):
            return load.measure(port, requests, connections=_CONNECTIONS).per_second


def _sweep(bench: Bench, waiting: Sequence[Arrival], events_per_job: int) -> Row:
    """A pass of the sweep, which comes every two seconds."""
    with bench.redis() as redis, closing(Database(sqlite_ledger(bench))) as database:
        jobs = our_worker.fill(redis, waiting, events_per_job)
        with closing(connect(redis.url, timeout=timedelta(seconds=5))) as connection:
            queue = open_queue(EVENTS_QUEUE, connection)
            sweep = Sweep(database, queue, None, lambda: datetime.now(UTC))
            took = []
            for _ in range(_SWEEPS):
                began = time.perf_counter()
                sweep.run()
                took.append((time.perf_counter() - began) * 1000)
    value = median(took)
    what = f"one sweep, {jobs:,} jobs waiting"
    return Row(what, f"{value:.1f} ms", value=value, target=at_most(_LIMIT_MS))


def _with_full_ledger(bench: Bench) -> list[Row]:
    url = sqlite_ledger(bench)
    rows = _grown(bench, "SQLite", url, partial(sqlite_ledger, bench))
    with postgres(bench) as server:
        new_ledger = partial(postgres_ledger, server)
        return rows + _grown(bench, "PostgreSQL", new_ledger(), new_ledger)


def _grown(bench: Bench, database: str, url: str, new_ledger: Callable[[], str]) -> list[Row]:
    bench.say(f"  filling {database}")
    grown_ledger.fill(url, bench.ledger_events, bench.say)
    with closing(Database(url)) as opened:
        took = ledger_queries.milliseconds(opened)
    slowest = [_slowest(bench, database, found) for found in took.values()]
    # New events in each round: what the ledger knows already would be less work.
    firsts = iter(range(2_000_000, 100_000_000, _WORKED_OFF))

    def rate(ledger: str) -> float:
        arrivals = orders.arrivals(_WORKED_OFF, first=next(firsts))
        return our_worker.work_off(bench, ledger, arrivals, until=_WORKED_OFF)

    what = f"dispatch, {database}, {bench.ledger_events:,} events in the ledger"
    return [_compared(bench, what, lambda: rate(url), lambda: rate(new_ledger())), *slowest]


def _slowest(bench: Bench, database: str, found: Mapping[str, float]) -> Row:
    """The slowest of these questions; the others are only said."""
    ranked = sorted(found.items(), key=lambda item: -item[1])
    for name, value in ranked:
        bench.say(f"  {value:8.1f} ms  {name}")
    name, value = ranked[0]
    what = f"`{name}`, {database}, {bench.ledger_events:,} events, slowest of {len(found)} such"
    return Row(what, f"{value:.1f} ms", value=value, target=at_most(_LIMIT_MS))


def _compared(
    bench: Bench, what: str, much: Callable[[], float], nothing: Callable[[], float]
) -> Row:
    bench.say(f"  {what}")
    rates = bench.take_turns({"much": much, "nothing": nothing})
    ratio = ratio_of_rounds(rates["much"], rates["nothing"])
    ours, theirs = per_second(rates["much"]), per_second(rates["nothing"])
    return Row(what, ours, "the same when empty", theirs, ratio, at_least(0.9))
