"""What is spent on events: by the receiver, by Redis, by a worker, by the ledger's database."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import redis
import sqlalchemy as sa

from core.events import Arrival
from core.queue import PENDING_KEY
from tests.bench import meters, orders, our_receiver, our_worker
from tests.bench.bench import Bench
from tests.bench.ledgers import (
    postgres_ledger,
    require_all_succeeded,
    sqlite_ledger,
)
from tests.bench.meters import Counters, PostgresMeter
from tests.support.postgres import PostgresServer
from tests.support.processes import Process
from tests.support.raw_http import Connection
from tests.support.receivers import webhook
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

#: The share of a backlog that a worker may have before anything is counted.
_WARM_UP_SHARE = 0.25

#: Looking costs Redis a command, which would be counted.
_LOOK_SECONDS = 0.1


def on_receiving(bench: Bench, requests: int, connections: int) -> Counters:
    """What the receiver needs for a request while so many come at the same time."""
    warm_up = requests // 4
    bodies = [orders.body(number) for number in range(warm_up + requests)]
    with ExitStack() as cleanup:
        server = cleanup.enter_context(bench.redis())
        receiver, port = cleanup.enter_context(our_receiver.start(bench, server))
        senders = [cleanup.enter_context(Connection(port)) for _ in range(connections)]
        _send(senders, bodies[:warm_up])
        before = meters.cpu_us(receiver.pid)
        _send(senders, bodies[warm_up:])
        return {"receiver_cpu_us": (meters.cpu_us(receiver.pid) - before) / requests}


def on_sqlite(bench: Bench, arrivals: Sequence[Arrival], events_per_job: int) -> Counters:
    """What Redis, a worker and a ledger in SQLite need for an event."""
    ledger = sqlite_ledger(bench)
    file = Path(sa.make_url(ledger).database or "")
    empty_bytes = file.stat().st_size
    with bench.redis() as server, server.client() as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        received = _on_queueing(server, client, arrivals, events_per_job)
        with our_worker.start(bench, server, ledger) as worker:

            def read() -> Counters:
                return {**meters.of_redis(client), "cpu_us": meters.cpu_us(worker.pid)}

            worked = _while_working_off(client, worker, events_per_job, read)
            # When the last connection is closed, SQLite moves what is in its WAL into the file.
            worker.stop()
        left_bytes = _used_bytes(client) - received.pop("used_bytes_before")
    require_all_succeeded(ledger, len(arrivals))
    return {
        **received,
        "marker_bytes": left_bytes / len(arrivals),
        "sqlite_worker_cpu_us": worked.pop("cpu_us"),
        "sqlite_ledger_bytes": (file.stat().st_size - empty_bytes) / len(arrivals),
        **{f"work_{name}": value for name, value in worked.items()},
    }


def on_postgresql(
    bench: Bench, postgres: PostgresServer, arrivals: Sequence[Arrival], events_per_job: int
) -> Counters:
    """What a worker and a ledger in PostgreSQL need for an event."""
    ledger = postgres_ledger(postgres)
    meter = PostgresMeter(postgres, ledger)
    empty_bytes, transactions = meter.size(), meter.transactions()
    with bench.redis() as server, server.client() as client:
        our_worker.fill(server, arrivals, events_per_job)
        with our_worker.start(bench, server, ledger) as worker:

            def read() -> Counters:
                return {**meter.counters(), "worker_cpu_us": meters.cpu_us(worker.pid)}

            worked = _while_working_off(client, worker, events_per_job, read)
            worker.stop()
    wait_until(lambda: meter.sessions() == 0, "the end of the worker's sessions")
    worked["transactions"] = (meter.transactions() - transactions) / len(arrivals)
    worked["ledger_bytes"] = (meter.size() - empty_bytes) / len(arrivals)
    require_all_succeeded(ledger, len(arrivals))
    return {f"postgresql_{name}": value for name, value in worked.items()}


def on_statements(
    bench: Bench, postgres: PostgresServer, arrivals: Sequence[Arrival], events_per_job: int
) -> Counters:
    """How many statements PostgreSQL meets for an event; by itself, as writing them down costs."""
    ledger = postgres_ledger(postgres)
    meter = PostgresMeter(postgres, ledger)
    meter.log_statements()
    with bench.redis() as server, server.client() as client:
        our_worker.fill(server, arrivals, events_per_job)
        with our_worker.start(bench, server, ledger) as worker:

            def read() -> Counters:
                return {"postgresql_statements": float(meter.statements())}

            return _while_working_off(client, worker, events_per_job, read)


def _on_queueing(
    server: RedisServer,
    client: "redis.Redis",
    arrivals: Sequence[Arrival],
    events_per_job: int,
) -> Counters:
    used_before, before = _used_bytes(client), meters.of_redis(client)
    our_worker.fill(server, arrivals, events_per_job)
    spent = meters.spent(before, meters.of_redis(client), len(arrivals))
    return {
        **{f"receive_{name}": value for name, value in spent.items()},
        "queued_bytes": (_used_bytes(client) - used_before) / len(arrivals),
        "used_bytes_before": used_before,
    }


def _while_working_off(
    client: "redis.Redis", worker: Process, events_per_job: int, read: Callable[[], Counters]
) -> Counters:
    """What an event costs that is worked off when the worker is at it."""
    backlog = client.zcard(PENDING_KEY)

    def only(most: int) -> bool:
        if not worker.is_running:
            raise AssertionError(f"the worker has ended:\n{worker.output[-5000:]}")
        time.sleep(_LOOK_SECONDS)
        return bool(client.zcard(PENDING_KEY) <= most)

    most = int(backlog * (1 - _WARM_UP_SHARE))
    wait_until(lambda: only(most), "the first of the backlog", seconds=60)
    # Reading takes a moment, in which the worker goes on.
    left_before, before, left_after = client.zcard(PENDING_KEY), read(), client.zcard(PENDING_KEY)
    events = (left_before + left_after) * events_per_job // 2
    wait_until(lambda: only(0), "the end of the backlog", seconds=120)
    return meters.spent(before, read(), events)


def _send(connections: Sequence[Connection], bodies: Sequence[bytes]) -> None:
    """Send requests, as many at once as there are connections."""
    requests = list(map(webhook, bodies))
    for first in range(0, len(requests), len(connections)):
        at_once = list(zip(connections, requests[first:], strict=False))
        for connection, request in at_once:
            connection.send(request)
        for connection, _ in at_once:
            if connection.receive().status != 202:
                raise AssertionError("the receiver refuses events")


def _used_bytes(client: "redis.Redis") -> float:
    # Within a second Redis has shrunk the buffers of connections that are idle.
    time.sleep(1.5)
    return float(client.info("memory")["used_memory"])
