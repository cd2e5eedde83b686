"""The time from the moment when a webhook is sent to the moment when its handler starts.

One sender, 50 events a second, evenly spaced; receiver, Redis, worker and ledger are all real. The
handler writes down when it is called, by the clock that all processes of a host share. The events
of the first second are not counted.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from core.events import event_id
from tests.bench import orders, our_receiver, our_worker
from tests.bench.bench import Bench
from tests.bench.ledgers import postgres, postgres_ledger, sqlite_ledger
from tests.bench.rows import Row, at_most
from tests.support.raw_http import Connection
from tests.support.receivers import webhook
from tests.support.waiting import wait_until

_PER_SECOND = 50
_COUNTED = 30 * _PER_SECOND
_UNCOUNTED = _PER_SECOND


def measure(bench: Bench) -> list[Row]:
    """On SQLite and on PostgreSQL."""
    with postgres(bench) as server:
        ledgers: dict[str, Callable[[], str]] = {
            "SQLite": partial(sqlite_ledger, bench),
            "PostgreSQL": partial(postgres_ledger, server),
        }
        found: dict[str, list[list[float]]] = {database: [] for database in ledgers}

        def p99(database: str) -> float:
            percentiles = quantiles(latencies_ms(bench, ledgers[database](), _COUNTED), n=100)
            found[database].append(percentiles)
            return percentiles[98]

        bench.take_turns({name: partial(p99, name) for name in ledgers}, unit=" ms (p99)")
    return [row for database, rounds in found.items() for row in _rows(database, rounds)]


def _rows(database: str, rounds: Sequence[Sequence[float]]) -> list[Row]:
    rows = []
    for name, position, bound in (("p50", 49, 10), ("p99", 98, 50)):
        milliseconds = median(percentiles[position] for percentiles in rounds)
        rows.append(
            Row(
                f"POST sent to handler started, {_PER_SECOND} events/s, {database}, {name}",
                f"{milliseconds:.1f} ms",
                value=milliseconds,
                target=at_most(bound),
            )
        )
    return rows


def latencies_ms(bench: Bench, ledger_url: str, events: int) -> list[float]:
    """The time of each of so many events, in milliseconds and in their order.

    Args:
        bench: Where it runs.
        ledger_url: An empty ledger.
        events: How many are counted.
    """
    times = bench.new_folder("times") / "started"
    with ExitStack() as cleanup:
        redis = cleanup.enter_context(bench.redis())
        worker = our_worker.start(
            *(bench, redis, ledger_url, "tests.bench.handlers.clock"),
            HANDLER_BENCH_CLOCK_FILE=str(times),
        )
        cleanup.enter_context(worker).wait_for_line("worker_ready")
        _, port = cleanup.enter_context(our_receiver.start(bench, redis))
        sent = _send_evenly(port, _UNCOUNTED + events)
        wait_until(lambda: len(_started(times)) == len(sent), "the last handler")
    started = _started(times)
    counted = list(sent)[_UNCOUNTED:]
    return [(started[sent_id] - sent[sent_id]) / 1e6 for sent_id in counted]


def _send_evenly(port: int, count: int) -> dict[str, int]:
    """Send events on one connection; return by id when each was sent, in nanoseconds."""
    sent: dict[str, int] = {}
    with Connection(port) as connection:
        began = time.monotonic()
        for number in range(count):
            body = orders.body(number)
            request = webhook(body)
            time.sleep(max(0, began + number / _PER_SECOND - time.monotonic()))
            sent[event_id(body)] = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            connection.send(request)
            answer = connection.receive()
            if answer.status != 202:
                raise AssertionError(f"the receiver answered {answer}")
    return sent


def _started(times: Path) -> dict[str, int]:
    """When each handler started, by event id, in nanoseconds."""
    lines = times.read_text().splitlines() if times.exists() else []
    return {event: int(nanoseconds) for event, nanoseconds in (line.split() for line in lines)}
