"""Workers whose handlers hang begin anew, and those whose ledger is away take nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import sqlalchemy as sa

from tests.support.deliveries import body_of
from tests.support.kept import jobs_in
from tests.support.ports import find_free_port
from tests.support.postgres import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.system.conftest import OpenService

#: Hangs for ever at some orders, the first time.
HANGS = """
import time
from handlers import Context, OrderEvent, on

@on("order.*", timeout=0.3)
def act(event: OrderEvent, ctx: Context) -> str:
    if event.data.id.startswith("ord_hangs") and ctx.attempt == 1:
        time.sleep(3600)
    return "done"
"""

QUICK = """
from handlers import Context, OrderEvent, on

@on("order.*")
def quick(event: OrderEvent, ctx: Context) -> str:
    return "done"
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_worker_in_which_too_many_handlers_hang_begins_anew(
    open_service: OpenService, sqlite_ledger_url: str, processes: int
) -> None:
    service = open_service(
        database_url=sqlite_ledger_url, worker_threads=2, worker_processes=processes
    )
    service.write_handlers(HANGS)
    _, worker = service.start("receiver", "worker")
    hanging = 2 * processes
    for number in range(hanging):
        service.deliver(body_of(id=f"ord_hangs_{number}"))

    worker.wait_for_line('"worker_begins_anew"')
    ready = processes + 1
    wait_until(lambda: worker.output.count('"worker_ready"') >= ready, "the new worker")
    event_id = service.deliver(body_of(id="ord_after"))

    wait_until(
        lambda: "succeeded" in service.ask("events", "list", "--limit", "1"), f"{event_id}'s end"
    )
    assert worker.is_running
    assert "worker_died" not in worker.output
    assert "Traceback" not in worker.output
    assert worker.stop() == 0


def test_a_worker_takes_nothing_while_its_ledger_is_away_and_says_so_once(
    open_service: OpenService,
    postgres_server: PostgresServer,
    postgres_ledger_url: str,
    redis_server: RedisServer,
) -> None:
    service = open_service(database_url=postgres_ledger_url)
    service.write_handlers(QUICK)
    (receiver,) = service.start("receiver")
    health = find_free_port()
    worker = service.launch("worker", "--health", str(health))
    worker.wait_for_line('"worker_ready"')
    assert _readiness(health) == (200, {"status": "ready"})

    with _away(postgres_server, postgres_ledger_url), redis_server.client() as client:
        worker.wait_for_line('"ledger_away"')
        assert _readiness(health) == (503, {"status": "unavailable", "ledger": "away"})
        event_id = service.deliver(body_of())
        assert [[a.id for a in job] for job in jobs_in(client)] == [[event_id]]
        assert httpx2.get(f"http://127.0.0.1:{health}/healthz").status_code == 200

    worker.wait_for_line('"ledger_back"')
    wait_until(lambda: "succeeded" in service.ask("events", "list"), "the delivery")
    assert worker.output.count('"ledger_away"') == 1
    assert _readiness(health) == (200, {"status": "ready"})
    assert receiver.is_running


def _readiness(port: int) -> tuple[int, object]:
    answer = httpx2.get(f"http://127.0.0.1:{port}/readyz")
    return answer.status_code, answer.json()


@contextmanager
def _away(server: PostgresServer, url: str) -> Iterator[None]:
    name = sa.make_url(url).database
    assert name is not None
    server.shut_out(name)
    try:
        yield
    finally:
        server.let_in(name)


@pytest.mark.parametrize(
    ("value", "problem"),
    [("nonsense", "'nonsense' is neither a port nor HOST:PORT"), ("0", "'0' is neither")],
)
def test_a_wrong_health_address_is_explained(
    open_service: OpenService, sqlite_ledger_url: str, value: str, problem: str
) -> None:
    service = open_service(database_url=sqlite_ledger_url)
    service.write_handlers(QUICK)

    worker = service.launch("worker", "--health", value)

    assert worker.wait() == 2
    assert problem in worker.output
