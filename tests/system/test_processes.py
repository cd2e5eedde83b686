"""Processes that start too early, are stopped, are killed, or are told something wrong."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.events import EventId
from core.ledger import schema, stories
from core.ledger.database import Database
from tests.conftest import ProcessStarter
from tests.support.deliveries import body_of
from tests.support.processes import Process
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until
from tests.system.conftest import OpenService, Service

#: Says that it has begun, waits for the test, and says that it has ended.
SLOW = """
import time
from pathlib import Path
from handlers import Context, OrderEvent, on

@on("order.*")
def slow(event: OrderEvent, ctx: Context) -> str:
    Path("begun").write_text(f"attempt {ctx.attempt}")
    while not Path("go").exists():
        time.sleep(0.02)
    with Path("ended").open("a") as file:
        file.write(f"attempt {ctx.attempt}\\n")
    return f"attempt {ctx.attempt}"
"""

QUICK = """
from handlers import Context, OrderEvent, on

@on("order.*")
def quick(event: OrderEvent, ctx: Context) -> str:
    return "done"
"""

#: Ends its own process at one of the orders.
DEADLY = """
import os, signal
from handlers import Context, OrderEvent, on

@on("order.*")
def deadly(event: OrderEvent, ctx: Context) -> str:
    if event.data.id == "ord_deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"
"""

#: A worker whose lease lasts three seconds instead of thirty.
IMPATIENT_WORKER = """
from datetime import timedelta
from workers import runtime
runtime.LEASE, runtime.LEASE_RENEWAL = timedelta(seconds=3), timedelta(seconds=1)
from ops.cli import main
main()
"""


def _delivery(service: Service, event_id: EventId) -> dict[str, Any] | None:
    """An event's only delivery, as far as the ledger knows."""
    database = Database(service.settings.ledger_url)
    try:
        story = stories.whole(database, event_id)
    finally:
        database.close()
    return story["deliveries"][0] if story and story["deliveries"] else None


def _wait_for_success(
    service: Service, event_id: EventId, *, seconds: float = 40
) -> dict[str, Any]:
    def succeeded() -> dict[str, Any] | None:
        delivery = _delivery(service, event_id)
        return delivery if delivery and delivery["status"] == "succeeded" else None

    return wait_until(succeeded, "the delivery", seconds=seconds)


def _lines(process: Process, event: str) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for line in process.output.splitlines()
        if line.startswith("{") and orjson.loads(line)["event"] == event
    ]


def test_a_worker_that_is_stopped_finishes_what_it_has_begun(service: Service) -> None:
    service.write_handlers(SLOW)
    _, worker = service.start("receiver", "worker")
    event_id = service.deliver(body_of())
    service.wait_for("begun")

    worker.signal(signal.SIGTERM)
    worker.wait_for_line('"stopping"')
    (service.folder / "go").touch()

    assert worker.wait() == 0
    assert "Traceback" not in worker.output
    delivery = _delivery(service, event_id)
    assert delivery is not None
    assert (delivery["status"], delivery["note"]) == ("succeeded", "attempt 1")


def test_what_waits_when_a_worker_is_stopped_is_done_by_the_next(sqlite_service: Service) -> None:
    service = sqlite_service
    service.write_handlers(SLOW)
    _, worker = service.start("receiver", "worker")
    first = service.deliver(body_of())
    service.wait_for("begun")
    others = [service.deliver(body_of()) for _ in range(20)]

    worker.signal(signal.SIGTERM)
    (service.folder / "go").touch()
    assert worker.wait() == 0

    service.start("worker", "scheduler")
    for event_id in [first, *others]:
        delivery = _wait_for_success(service, event_id)
        assert (delivery["attempts"], len(delivery["history"])) == (1, 1)


def test_a_handler_that_does_not_end_in_time_does_not_keep_the_worker(
    open_service: OpenService, sqlite_ledger_url: str
) -> None:
    service = open_service(database_url=sqlite_ledger_url, shutdown_grace=0.5)
    service.write_handlers(SLOW)
    _, worker = service.start("receiver", "worker")
    service.deliver(body_of())
    service.wait_for("begun")

    assert worker.stop(seconds=10) == 0

    assert len(_lines(worker, "attempt_cut_off")) == 1
    assert not (service.folder / "ended").exists()


def test_what_a_killed_worker_had_begun_is_run_again(
    sqlite_service: Service, start_process: ProcessStarter
) -> None:
    """The slow one: the killed worker's lease has to run out."""
    service = sqlite_service
    service.write_handlers(SLOW)
    service.start("receiver", "scheduler")
    impatient = ("python", "-c", IMPATIENT_WORKER, "worker")
    worker = start_process(*impatient, settings=service.settings)
    event_id = service.deliver(body_of())
    assert service.wait_for("begun") == "attempt 1"

    worker.kill()
    (service.folder / "go").touch()
    start_process(*impatient, settings=service.settings)

    delivery = _wait_for_success(service, event_id)
    assert service.wait_for("ended") == "attempt 2\n"
    assert [(a["number"], a["result"]) for a in delivery["history"]] == [
        (1, "crashed"),
        (2, "succeeded"),
    ]


def test_a_handler_that_kills_its_worker_is_given_up_on_and_the_others_go_on(
    sqlite_service: Service, start_process: ProcessStarter
) -> None:
    """Slow, too: three leases have to run out."""
    service = sqlite_service
    service.write_handlers(DEADLY)
    service.start("receiver", "scheduler")
    deadly = service.deliver(body_of(id="ord_deadly"))
    others = [service.deliver(body_of()) for _ in range(10)]
    workers: list[Process] = []

    def given_up() -> bool:
        if not workers or not workers[-1].is_running:
            impatient = ("python", "-c", IMPATIENT_WORKER, "worker")
            workers.append(start_process(*impatient, settings=service.settings))
        delivery = _delivery(service, deadly)
        return delivery is not None and delivery["status"] == "dead"

    wait_until(given_up, "the delivery's death", seconds=90)

    delivery = _delivery(service, deadly)
    assert delivery is not None
    assert [attempt["result"] for attempt in delivery["history"]] == ["crashed"] * 3
    for event_id in others:
        _wait_for_success(service, event_id)


def test_a_worker_that_is_started_before_redis_waits_and_says_so(
    open_service: OpenService, sqlite_ledger_url: str, own_redis: RedisServer
) -> None:
    service = open_service(database_url=sqlite_ledger_url, redis_url=own_redis.url)
    service.write_handlers(QUICK)
    own_redis.stop()
    worker = service.launch("worker")
    waiting = orjson.loads(worker.wait_for_line('"waiting"', seconds=40))

    own_redis.start()

    worker.wait_for_line("waiting_over")
    worker.wait_for_line("worker_ready")
    service.start("receiver")
    _wait_for_success(service, service.deliver(body_of()))
    assert waiting["waiting_for"] == "redis"
    assert len(_lines(worker, "waiting")) == 1


def test_a_worker_that_waits_for_redis_can_be_stopped(
    open_service: OpenService, sqlite_ledger_url: str
) -> None:
    service = open_service(database_url=sqlite_ledger_url, redis_url="redis://127.0.0.1:9/0")
    service.write_handlers(QUICK)
    worker = service.launch("worker")
    worker.wait_for_line('"waiting"', seconds=40)

    assert worker.stop() == 0


def test_a_worker_goes_on_after_redis_went_away_in_the_middle_of_a_job(
    open_service: OpenService, sqlite_ledger_url: str, own_redis: RedisServer
) -> None:
    service = open_service(database_url=sqlite_ledger_url, redis_url=own_redis.url)
    service.write_handlers(SLOW)
    _, worker, _ = service.start("receiver", "worker", "scheduler")
    first = service.deliver(body_of())
    service.wait_for("begun")

    own_redis.kill()
    (service.folder / "go").touch()
    assert _wait_for_success(service, first)["attempts"] == 1
    own_redis.start()

    second = wait_until(lambda: _try_to_deliver(service), "the receiver")
    _wait_for_success(service, second)
    assert worker.is_running


def _try_to_deliver(service: Service) -> EventId | None:
    answer = service.sender.deliver(body_of())
    return EventId(orjson.loads(answer.body)["id"]) if answer.status == 202 else None


@pytest.mark.parametrize("name", ["worker", "scheduler", "alerts"])
def test_a_process_refuses_a_ledger_without_tables(
    open_service: OpenService, tmp_path: Path, name: str
) -> None:
    service = open_service(database_url=f"sqlite:///{tmp_path / 'blank.db'}")
    service.write_handlers(QUICK)
    process = service.launch(name)

    assert process.wait(seconds=40) == 1

    assert "has no tables yet" in process.output
    assert "run `ecomlinx-hooks db upgrade`" in process.output
    assert "Traceback" not in process.output


def test_a_worker_refuses_a_ledger_of_another_version(
    sqlite_service: Service, sqlite_ledger_url: str
) -> None:
    database = Database(sqlite_ledger_url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    sqlite_service.write_handlers(QUICK)
    worker = sqlite_service.launch("worker")

    assert worker.wait(seconds=40) == 1

    assert "is at revision 9999, this version needs" in worker.output
    assert "run `ecomlinx-hooks db upgrade`" in worker.output


def test_after_the_upgrade_a_process_starts(open_service: OpenService, tmp_path: Path) -> None:
    service = open_service(database_url=f"sqlite:///{tmp_path / 'blank.db'}")

    service.ask("db", "upgrade")

    (scheduler,) = service.start("scheduler")
    assert scheduler.stop() == 0
    database = Database(service.settings.ledger_url)
    schema.require_current(database)
    database.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_handlers_that_cannot_be_imported_keep_the_worker_from_starting(
    open_service: OpenService, sqlite_ledger_url: str, processes: int
) -> None:
    service = open_service(database_url=sqlite_ledger_url, worker_processes=processes)
    service.write_handlers("import no_such_library")
    worker = service.launch("worker")

    assert worker.wait(seconds=40) == 1

    assert (
        "Error: HANDLERS: module 'shop_handlers' can't be imported:"
        " ModuleNotFoundError: No module named 'no_such_library'" in worker.output
    )
    assert "Traceback" not in worker.output


def test_a_worker_process_that_dies_is_replaced(
    open_service: OpenService, sqlite_ledger_url: str
) -> None:
    service = open_service(database_url=sqlite_ledger_url, worker_processes=2)
    service.write_handlers(QUICK)
    (receiver,) = service.start("receiver")
    workers = service.launch("worker")
    ready = _counter(workers, "worker_ready")
    wait_until(lambda: ready() == 2, "two workers", seconds=40)
    name = _lines(workers, "worker_ready")[0]["worker"]

    os.kill(int(name.split("-")[-2]), signal.SIGKILL)

    died = orjson.loads(workers.wait_for_line("worker_died"))
    wait_until(lambda: ready() == 3, "a third worker", seconds=40)
    assert died["exit_code"] == -signal.SIGKILL
    for event_id in [service.deliver(body_of()) for _ in range(5)]:
        _wait_for_success(service, event_id)
    assert workers.stop() == 0
    assert _counter(workers, "worker_stopped")() == 2
    assert receiver.is_running


def _counter(process: Process, event: str) -> Callable[[], int]:
    return lambda: len(_lines(process, event))


@pytest.mark.parametrize(
    ("name", "variable", "value", "message"),
    [
        ("receiver", "PORT", "http", "PORT: "),
        ("worker", "WORKER_PROCESSES", "0", "WORKER_PROCESSES: "),
        ("worker", "REDIS_URL", "test-canary://host", "REDIS_URL: must start with redis://"),
        ("scheduler", "DATABASE_URL", "test-canary", "DATABASE_URL: must start with sqlite:///"),
        (
            "alerts",
            "ALERT_URLS",
            "pigeon://canary-token@example.com/",
            "ALERT_URLS: number 1 is not a URL that",
        ),
        ("worker", "HANDLERS_DISABLED", "test.*", "HANDLERS_DISABLED: no handler is named"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_kept(
    sqlite_service: Service, name: str, variable: str, value: str, message: str
) -> None:
    sqlite_service.write_handlers(QUICK)
    process = sqlite_service.launch(name, **{variable: value})

    assert process.wait(seconds=40) == 1

    assert message in process.output
    assert "canary" not in process.output
    assert "test-secret" not in process.output
    assert "Traceback" not in process.output
