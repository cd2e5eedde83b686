"""Nothing is lost, and no attempt used up, while the ledger's database is away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from core.ledger import database as database_module
from core.ledger.database import Database, is_away, is_contention
from handlers import Context, OrderEvent
from tests.support.deliveries import body_of
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until
from tests.support.workbench import Clock, Workbench, handler
from workers import patience
from workers.patience import LedgerAwayError, PatientLedger
from workers.threads import HandlerThreads


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0.05)


@pytest.fixture
def name(postgres_ledger_url: str) -> str:
    """The name of the ledger's PostgreSQL database."""
    found = sa.make_url(postgres_ledger_url).database
    assert found is not None
    return found


@pytest.fixture
def ledger(postgres_ledger_url: str) -> Iterator[Database]:
    database = Database(postgres_ledger_url)
    yield database
    database.close()


@pytest.fixture
def open_bench(
    ledger: Database, clock: Clock, handler_threads: HandlerThreads
) -> Callable[..., Workbench]:
    def open_one(*handlers: Any, **options: Any) -> Workbench:
        return Workbench(ledger, clock, handler_threads, handlers, **options)

    return open_one


@contextmanager
def _away(server: PostgresServer, name: str) -> Iterator[None]:
    server.shut_out(name)
    try:
        yield
    finally:
        server.let_in(name)


def _aside(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_what_has_arrived_waits_for_the_ledger(
    open_bench: Callable[..., Workbench],
    postgres_server: PostgresServer,
    name: str,
    log_lines: list[Any],
) -> None:
    def act(_: OrderEvent, __: Context) -> str:
        return "done"

    bench = open_bench(act)
    ids: list[Any] = []
    with _away(postgres_server, name):
        job = _aside(lambda: ids.extend(bench.deliver(body_of())))
        wait_until(lambda: bench.beats >= 3, "three heartbeats")
    job.join()

    assert bench.delivery(ids[0])["status"] == "succeeded"
    said = [line["event"] for line in log_lines if line["event"].startswith("ledger")]
    assert said == ["ledger_away", "ledger_back"]


def test_an_outcome_waits_for_the_ledger_and_uses_up_no_attempt(
    open_bench: Callable[..., Workbench], postgres_server: PostgresServer, name: str
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    runs: list[int] = []

    def act(_: OrderEvent, ctx: Context) -> str:
        runs.append(ctx.attempt)
        begun.set()
        may_end.wait(20)
        return "done"

    bench = open_bench(act)
    ids: list[Any] = []
    job = _aside(lambda: ids.extend(bench.deliver(body_of())))
    assert begun.wait(10)
    with _away(postgres_server, name):
        may_end.set()
        before = bench.beats
        wait_until(lambda: bench.beats >= before + 3, "three heartbeats")
    job.join()

    delivery = bench.delivery(ids[0])
    assert (delivery["status"], delivery["attempts"], runs) == ("succeeded", 1, [1])


def test_a_step_waits_for_the_ledger_and_that_is_not_the_handlers_time(
    open_bench: Callable[..., Workbench], postgres_server: PostgresServer, name: str
) -> None:
    begun, may_step = threading.Event(), threading.Event()
    orders: list[int] = []

    def act(_: OrderEvent, ctx: Context) -> str:
        begun.set()
        may_step.wait(20)
        ctx.step("order", lambda: orders.append(1))
        time.sleep(0.6)  # there is time left for that, and for noticing that there isn't
        return "done"

    bench = open_bench(handler(act, timeout=1.0))
    ids: list[Any] = []
    job = _aside(lambda: ids.extend(bench.deliver(body_of())))
    assert begun.wait(10)
    with _away(postgres_server, name):
        may_step.set()
        time.sleep(1.5)  # longer than the handler's timeout
    job.join()

    delivery = bench.delivery(ids[0])
    assert (delivery["status"], delivery["attempts"]) == ("succeeded", 1)
    assert orders == [1]


def test_a_worker_that_has_to_stop_waits_no_longer_than_its_grace(
    ledger: Database, postgres_server: PostgresServer, name: str
) -> None:
    stopping = threading.Event()
    patient = PatientLedger(ledger, stopping, timedelta(seconds=0.2))
    stopping.set()

    with _away(postgres_server, name), pytest.raises(LedgerAwayError):
        patient.carry_out(ledger.ping)


def test_whether_the_ledger_answers_is_known_and_said_once(
    ledger: Database, postgres_server: PostgresServer, name: str, log_lines: list[Any]
) -> None:
    patient = PatientLedger(ledger, threading.Event(), timedelta())

    with _away(postgres_server, name):
        assert [patient.answers() for _ in range(3)] == [False] * 3
    assert patient.answers()

    assert [line["event"] for line in log_lines] == ["ledger_away", "ledger_back"]
    assert log_lines[0]["next_step"] == "taking no events until it is back"


def test_an_error_that_waiting_does_not_mend_is_raised(ledger: Database) -> None:
    patient = PatientLedger(ledger, threading.Event(), timedelta())

    def insert() -> None:
        with ledger.write() as connection:
            for _ in range(2):
                connection.exec_driver_sql(
                    "INSERT INTO cooldown (handler, key, event_id, until)"
                    " VALUES ('h', 'k', 'e', now())"
                )

    with pytest.raises(IntegrityError):
        patient.carry_out(insert)


def test_a_deadlock_is_tried_again_and_not_taken_for_an_outage(
    ledger: Database, log_lines: list[Any]
) -> None:
    patient = PatientLedger(ledger, threading.Event(), timedelta())
    with ledger.write() as connection:
        for key in "ab":
            connection.exec_driver_sql(
                f"INSERT INTO cooldown (handler, key, event_id, until)"  # noqa: S608
                f" VALUES ('h', '{key}', 'e', now())"
            )
    both_have_one = threading.Barrier(2, timeout=10)
    done: list[str] = []

    def touch(first: str, second: str) -> Callable[[], None]:
        is_first_try = [True]

        def act() -> None:
            with ledger.write() as connection:
                connection.exec_driver_sql(f"UPDATE cooldown SET until = now() WHERE key='{first}'")  # noqa: S608
                if is_first_try.pop():
                    both_have_one.wait()
                is_first_try.append(False)
                connection.exec_driver_sql(
                    f"UPDATE cooldown SET until = now() WHERE key='{second}'"  # noqa: S608
                )
            done.append(first)

        return act

    jobs = [_aside(lambda p=pair: patient.carry_out(touch(*p))) for pair in ("ab", "ba")]  # type: ignore[misc]
    for job in jobs:
        job.join()

    assert sorted(done) == ["a", "b"]
    assert "ledger_contended" in [line["event"] for line in log_lines]
    assert "ledger_away" not in [line["event"] for line in log_lines]


def test_a_locked_sqlite_is_tried_again_and_not_taken_for_an_outage(
    sqlite_ledger_url: str, monkeypatch: pytest.MonkeyPatch, log_lines: list[Any]
) -> None:
    monkeypatch.setattr(database_module, "SQLITE_BUSY_SECONDS", 0.05)
    database = Database(sqlite_ledger_url)
    patient = PatientLedger(database, threading.Event(), timedelta())
    has_lock, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write():
            has_lock.set()
            may_end.wait(20)

    holder = _aside(hold)
    assert has_lock.wait(10)

    def write() -> str:
        with database.write():
            return "written"

    results: list[str] = []
    writer = _aside(lambda: results.append(patient.carry_out(write)))
    wait_until(lambda: len(log_lines) >= 3, "three tries")
    may_end.set()
    writer.join()
    holder.join()
    database.close()

    assert results == ["written"]
    assert {line["event"] for line in log_lines} == {"ledger_contended"}


def test_what_is_contention_is_away_too_but_not_the_other_way_round(
    ledger: Database, postgres_server: PostgresServer, name: str
) -> None:
    with _away(postgres_server, name), pytest.raises(OperationalError) as error:
        ledger.ping()

    assert is_away(error.value)
    assert not is_contention(error.value)


def test_a_statement_that_can_never_work_is_not_tried_for_ever(sqlite_ledger_url: str) -> None:
    database = Database(sqlite_ledger_url)
    patient = PatientLedger(database, threading.Event(), timedelta())

    def read() -> None:
        with database.read() as connection:
            connection.exec_driver_sql("SELECT * FROM no_such_table")

    with pytest.raises(OperationalError):
        patient.carry_out(read)
    database.close()
