"""What one event costs: processor time, memory, disk and network, wherever it passes.

Read from counters (/proc, Redis' INFO, PostgreSQL's statistics), not from clocks, for events in
full batches and for events that travel alone. The figures are medians of up to three rounds; what
a start costs isn't counted.
"""

from collections import ChainMap
from statistics import mean, median

from core.queue import BATCH_EVENTS
from tests.bench import costs, orders, spending
from tests.bench.bench import Bench
from tests.bench.costs import Costs, Measured
from tests.bench.ledgers import postgres
from tests.bench.meters import Counters
from tests.bench.rows import CostRow
from tests.support.postgres import PostgresServer

#: Counters vary less than clocks.
_MOST_ROUNDS = 3

#: Enough for some seconds of work.
_FULL_EVENTS, _SINGLE_EVENTS = 120 * BATCH_EVENTS, 2_400
_STATEMENT_EVENTS = 20 * BATCH_EVENTS

#: So many at once that full batches arise.
_MANY_CONNECTIONS = 2 * BATCH_EVENTS

_ROWS = {
    "receiver_cpu_us": "receiver: CPU, us",
    "receive_redis_cpu_us": "Redis, receiving: CPU, us",
    "receive_redis_commands": "Redis, receiving: commands",
    "receive_redis_bytes_in": "Redis, receiving: bytes in",
    "receive_redis_bytes_out": "Redis, receiving: bytes out",
    "receive_aof_bytes": "Redis, receiving: AOF bytes",
    "queued_bytes": "Redis memory while it waits, bytes",
    "marker_bytes": "Redis memory afterwards, for DEDUPE_DAYS, bytes",
    "work_redis_cpu_us": "Redis, working off: CPU, us",
    "work_redis_commands": "Redis, working off: commands",
    "work_redis_bytes_in": "Redis, working off: bytes in",
    "work_redis_bytes_out": "Redis, working off: bytes out",
    "work_aof_bytes": "Redis, working off: AOF bytes",
    "sqlite_worker_cpu_us": "worker with SQLite: CPU, us",
    "sqlite_ledger_bytes": "SQLite: bytes in the ledger",
    "postgresql_worker_cpu_us": "worker with PostgreSQL: CPU, us",
    "postgresql_cpu_us": "PostgreSQL: CPU, us",
    "postgresql_transactions": "PostgreSQL: transactions",
    "postgresql_statements": "PostgreSQL: statements",
    "postgresql_wal_bytes": "PostgreSQL: WAL bytes",
    "postgresql_ledger_bytes": "PostgreSQL: bytes in the ledger",
}


def measure(bench: Bench) -> list[CostRow]:
    """Measure both ways in which events travel; keep the figures for `tests.bench.plan`."""
    with postgres(bench) as server:
        full = _median(bench, server, _FULL_EVENTS, BATCH_EVENTS, _MANY_CONNECTIONS)
        single = _median(bench, server, _SINGLE_EVENTS, 1, 1)
    size = mean(len(orders.body(number)) for number in range(_FULL_EVENTS))
    measured = Measured(body_bytes=round(size), full=Costs(**full), single=Costs(**single))
    if not bench.is_dry_run:
        costs.save(measured)
    return rows(measured)


def rows(measured: Measured) -> list[CostRow]:
    """The table of what was measured."""
    return [
        CostRow(text, getattr(measured.full, name), getattr(measured.single, name))
        for name, text in _ROWS.items()
    ]


def _median(
    bench: Bench, server: PostgresServer, events: int, events_per_job: int, connections: int
) -> Counters:
    rounds = min(bench.rounds, _MOST_ROUNDS)
    found: list[Counters] = []
    for number in range(1, rounds + 1):
        bench.say(f"  jobs of {events_per_job}: round {number}/{rounds}")
        found.append(costs_of(bench, server, events, events_per_job, connections))
    return {name: round(median(one[name] for one in found), 4) for name in costs.NAMES}


def costs_of(
    bench: Bench, server: PostgresServer, events: int, events_per_job: int, connections: int
) -> Counters:
    """What one event costs in each respect.

    Args:
        bench: Where it runs.
        server: For ledgers in PostgreSQL.
        events: How many are received, and how many are worked off.
        events_per_job: How many travel in one job to the worker.
        connections: How many reach the receiver at once.
    """
    arrivals = orders.arrivals(events)
    few = arrivals[:_STATEMENT_EVENTS]
    return dict(
        ChainMap(
            spending.on_receiving(bench, events, connections),
            spending.on_sqlite(bench, arrivals, events_per_job),
            spending.on_postgresql(bench, server, arrivals, events_per_job),
            spending.on_statements(bench, server, few, events_per_job),
        )
    )
