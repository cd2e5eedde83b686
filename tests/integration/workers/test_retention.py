"""The acting scheduler keeps the ledger small."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from core.alerts import Alert
from core.ledger import retention, stories
from core.ledger.alerts import raise_alerts
from core.ledger.database import Database, table
from core.ledger.models import AlertRecord, AlertState, CooldownRecord, DeliveryStatus, EventRecord
from core.queue import EVENTS_QUEUE, open_queue
from handlers import Context, Event
from tests.integration.workers.conftest import OpenWorkbench
from tests.support.deliveries import body_of
from tests.support.ledgers import NOW, admit, arrival_of, end
from tests.support.waiting import wait_until
from tests.support.workbench import Clock
from workers import retention as worker
from workers import scheduler
from workers.retention import Retention
from workers.runtime import utc_now
from workers.scheduler import Scheduler
from workers.sweep import Sweep

KEEP = timedelta(days=90)
DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def keeper(database: Database, clock: Clock) -> Retention:
    """What deletes, on the test's own clock."""
    return Retention(database, KEEP, clock)


def _arrive(
    database: Database, count: int, status: DeliveryStatus = DeliveryStatus.SUCCEEDED
) -> None:
    for claim in admit(database, [arrival_of() for _ in range(count)]):
        end(database, claim, status)


def _count(database: Database) -> int:
    return len(stories.latest(database, limit=10_000))


def _deletions(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "events_deleted"]


def test_what_is_older_than_it_is_kept_is_deleted_and_said_once(
    keeper: Retention, database: Database, clock: Clock, log_lines: list[Any]
) -> None:
    _arrive(database, 3)
    clock.advance(89 * DAY)
    _arrive(database, 2, DeliveryStatus.UNCERTAIN)
    keeper.run()
    assert (_count(database), _deletions(log_lines)) == (5, [])

    clock.advance(2 * DAY)
    keeper.run()

    assert _count(database) == 2
    assert _deletions(log_lines) == [
        {
            "event": "events_deleted",
            "log_level": "info",
            "events": 3,
            "deliveries": 3,
            "received_before": "2026-03-02T09:30:00+00:00",
        }
    ]


def test_it_looks_once_an_hour(keeper: Retention, database: Database, clock: Clock) -> None:
    keeper.run()
    _arrive(database, 1)
    clock.advance(91 * DAY)
    keeper.run()
    assert _count(database) == 0
    clock.advance(-91 * DAY)
    _arrive(database, 1)

    clock.advance(91 * DAY + 3599)
    keeper.run()
    assert _count(database) == 1

    clock.advance(1)
    keeper.run()
    assert _count(database) == 0


def test_a_pass_goes_on_over_several_rounds_and_is_said_once(
    database: Database, clock: Clock, log_lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_ROUND_SECONDS", 0)
    _arrive(database, retention.EVENTS_MAX * 2 + 1)
    clock.advance(91 * DAY)
    keeper = Retention(database, KEEP, clock)
    left = []

    for _ in range(4):
        keeper.run()
        left.append((_count(database), len(_deletions(log_lines))))

    assert left == [(501, 0), (1, 0), (0, 1), (0, 1)]
    assert _deletions(log_lines)[0]["events"] == 1001


def test_cooldowns_and_alerts_of_old_go_too(
    open_workbench: OpenWorkbench, database: Database, clock: Clock
) -> None:
    def act(_: Event, ctx: Context) -> None:
        ctx.cooldown("amazon", 60)

    open_workbench(act).deliver(body_of())
    with database.write() as connection:
        raise_alerts(database, connection, [Alert("trouble", "told"), Alert("more", "untold")], NOW)
        alert = table(AlertRecord)
        told = sa.update(alert).where(alert.c.fingerprint == "told")
        connection.execute(told.values(state=AlertState.LOGGED))
    clock.advance(91 * DAY)

    Retention(database, KEEP, clock).run()

    with database.read() as connection:
        assert connection.execute(sa.select(table(CooldownRecord))).all() == []
        fingerprints = connection.execute(sa.select(alert.c.fingerprint)).scalars().all()
    assert fingerprints == ["untold"]


@contextmanager
def _running(database: Database, client: "redis.Redis", keeper: Retention) -> Iterator[list[int]]:
    """A scheduler in a thread of its own, and the passes that it makes."""
    passes: list[int] = []

    def count() -> Any:
        passes.append(1)
        return utc_now()

    stopping = threading.Event()
    sweep = Sweep(database, open_queue(EVENTS_QUEUE, client), None, count)
    thread = threading.Thread(target=Scheduler(sweep, client, stopping, keeper).run)
    thread.start()
    try:
        yield passes
    finally:
        stopping.set()
        thread.join()


def test_the_scheduler_deletes_in_the_sweeps_pauses(
    sqlite_database: Database,
    redis_client: "redis.Redis",
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "INTERVAL", timedelta(seconds=0.02))
    _arrive(sqlite_database, 10)
    clock.advance(91 * DAY)

    with _running(sqlite_database, redis_client, Retention(sqlite_database, KEEP, clock)):
        wait_until(lambda: _count(sqlite_database) == 0, "an empty ledger")


def test_the_sweep_goes_on_where_nothing_can_be_deleted(
    sqlite_database: Database,
    redis_client: "redis.Redis",
    clock: Clock,
    log_lines: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database that refuses to delete must not keep the sweep from what is due."""
    monkeypatch.setattr(scheduler, "INTERVAL", timedelta(seconds=0.02))
    _arrive(sqlite_database, 1)
    clock.advance(91 * DAY)
    with sqlite_database.write() as connection:
        refuse = "BEGIN SELECT RAISE(ABORT, 'no'); END"
        connection.exec_driver_sql(f"CREATE TRIGGER refuse BEFORE DELETE ON event {refuse}")
    keeper = Retention(sqlite_database, KEEP, clock)

    with _running(sqlite_database, redis_client, keeper) as passes:
        wait_until(lambda: len(passes) > 20, "some passes")

    said = [line["event"] for line in log_lines]
    assert said.count("retention_failed") == 1
    assert "sweep_failed" not in said
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
        assert connection.execute(sa.select(table(EventRecord).c.id)).all()
    clock.advance(worker.INTERVAL.total_seconds())
    keeper.run()
    assert _count(sqlite_database) == 0
