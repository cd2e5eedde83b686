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
_MOST_GROWTH = 1.05


def measure(bench: Bench) -> list[Row]:
    """With the ledger in SQLite and in PostgreSQL."""
    with postgres(bench) as server:
        ledgers: dict[str, Callable[[], str]] = {
            "SQLite": partial(sqlite_ledger, bench),
            "PostgreSQL": partial(postgres_ledger, server),
        }
        found = {
            database: megabytes(bench, new(), _FEW, _MANY) for database, new in ledgers.items()
        }
    rows = _rows("receiver", found["SQLite"]["receiver"], most=80)
    for database, sizes in found.items():
        rows += _rows(f"worker, {database}", sizes["worker"], most=130)
    return rows


def _rows(process: str, sizes: tuple[float, float], *, most: float) -> list[Row]:
    few, many = sizes
    what, ours = f"resident memory of {process}, {_MANY:,} events", f"{many:.1f} MB"
    before = f"after {_FEW:,}", f"{few:.1f} MB"
    return [
        Row(what, ours, value=many, target=at_most(most)),
        Row(what, ours, *before, many / few, at_most(_MOST_GROWTH)),
    ]


def megabytes(
    bench: Bench, ledger_url: str, few: int, many: int
) -> Mapping[str, tuple[float, float]]:
    """What receiver and worker have in memory after few events, and after many."""
    with ExitStack() as cleanup:
        redis = cleanup.enter_context(bench.redis())
        worker = cleanup.enter_context(our_worker.start(bench, redis, ledger_url))
        receiver, port = cleanup.enter_context(our_receiver.start(bench, redis))
        connections = [cleanup.enter_context(Connection(port)) for _ in range(_CONNECTIONS)]
        sizes = []
        for first, end in ((0, few), (few, many)):
            _handle(redis, connections, range(first, end))
            sizes.append([_resident_megabytes(process) for process in (receiver, worker)])
            bench.say(f"  after {end:,} events: receiver, worker: {sizes[-1]} MB")
    require_all_succeeded(ledger_url, many)
    return dict(zip(("receiver", "worker"), zip(*sizes, strict=True), strict=True))


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
    return round(int(found[1]) * 1024 / 1e6, 1)
