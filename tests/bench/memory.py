"""Resident memory of receiver and worker after 1,000 events, and after 100,000.

Both are real processes; the events come through the receiver on 64 connections, and a handler that
does nothing is run for each. It is read when all of them are handled, and once a run, whatever the
number of rounds: memory doesn't depend on who else uses the machine. Up to 5 % more counts as no
growth: an allocator keeps some of what it was once given. A megabyte is a million bytes.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from core.queue import PENDING_KEY
from tests.bench import orders, our_receiver, our_worker
from tests.bench.bench import Bench
from tests.bench.ledgers import postgres, postgres_ledger, require_all_succeeded, sqlite_ledger
from tests.bench.rows import Row, at_most
from tests.support.processes import Process
from tests.support.raw_http import Connection
from tests.support.receivers import webhook
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

_FEW, _MANY = 1_000, 100_000
_CONNECTIONS = 64
_MOST_MEGABYTES = {"receiver": 80, "worker": 130}
_MOST_GROWTH = 1.05


def measure(bench: Bench) -> list[Row]:
    """With the ledger in SQLite and in PostgreSQL."""
    with postgres(bench) as server:
        ledgers: dict[str, Callable[[], str]] = {
            "SQLite": partial(sqlite_ledger, bench),
            "PostgreSQL": partial(postgres_ledger, server),
        }
        found = {database: _megabytes(bench, new()) for database, new in ledgers.items()}
    return [
        row
        for database, roles in found.items()
        for role, (few, many) in roles.items()
        for row in _rows(f"resident memory, {database}: {role}", _MOST_MEGABYTES[role], few, many)
    ]


def _rows(what: str, most: float, few: float, many: float) -> list[Row]:
    after = f"{what} after {_MANY:,} events"
    return [
        Row(after, f"{many:.1f} MB", value=many, target=at_most(most)),
        Row(
            after,
            f"{many:.1f} MB",
            f"after {_FEW:,}",
            f"{few:.1f} MB",
            many / few,
            at_most(_MOST_GROWTH),
        ),
    ]


def _megabytes(bench: Bench, ledger_url: str) -> Mapping[str, tuple[float, float]]:
    """What receiver and worker have after few events and after many."""
    with ExitStack() as cleanup:
        redis = cleanup.enter_context(bench.redis())
        worker = cleanup.enter_context(our_worker.start(bench, redis, ledger_url))
        receiver, port = cleanup.enter_context(our_receiver.start(bench, redis))
        processes = {"receiver": receiver, "worker": worker}
        connections = [cleanup.enter_context(Connection(port)) for _ in range(_CONNECTIONS)]
        _handle(redis, connections, range(_FEW))
        few = {role: _resident_megabytes(process) for role, process in processes.items()}
        bench.say(f"  after {_FEW:,} events: {_told(few)}")
        _handle(redis, connections, range(_FEW, _MANY))
        many = {role: _resident_megabytes(process) for role, process in processes.items()}
        bench.say(f"  after {_MANY:,} events: {_told(many)}")
    require_all_succeeded(ledger_url, _MANY)
    return {role: (few[role], many[role]) for role in processes}


def _handle(redis: RedisServer, connections: list[Connection], numbers: range) -> None:
    """Send events, as many at once as there are connections; return when all are handled."""
    for first in range(0, len(numbers), len(connections)):
        at_once = list(zip(connections, numbers[first:], strict=False))
        for connection, number in at_once:
            connection.send(webhook(orders.body(number)))
        for connection, _ in at_once:
            if connection.receive().status != 202:
                raise AssertionError("the receiver refuses events")
    with redis.client() as client:
        wait_until(lambda: client.zcard(PENDING_KEY) == 0, "the last event", seconds=400)


def _resident_megabytes(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise AssertionError(f"process {process.pid} has ended:\n{process.output[-5000:]}")
    return int(found[1]) * 1024 / 1e6


def _told(megabytes: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {value:.1f} MB" for role, value in megabytes.items())
