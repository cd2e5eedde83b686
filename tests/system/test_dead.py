"""Many dead deliveries are replayed by a process that may end in the middle."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus
from core.ledger.outcomes import Error, Outcome, record
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.environment import environment_of
from tests.support.ledgers import NOW, admit, arrival_of
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

DELIVERY = table(DeliveryRecord)


def die(database: Database, count: int) -> None:
    """Write down that many dead deliveries."""
    error = Error("Fail", "no such address")
    outcomes = [
        Outcome(claim, DeliveryStatus.DEAD, NOW, 1.0, "worker-1", error=error)
        for claim in admit(database, [arrival_of() for _ in range(count)])
    ]
    with database.write() as connection:
        record(database, connection, outcomes)


def count(database: Database, *conditions: sa.ColumnElement[bool]) -> int:
    with database.read() as connection:
        query = sa.select(sa.func.count()).select_from(DELIVERY).where(*conditions)
        found: int = connection.execute(query).scalar_one()
    return found


IS_DEAD = DELIVERY.c.status == DeliveryStatus.DEAD
IS_REPLAYED = sa.and_(
    DELIVERY.c.status == DeliveryStatus.PENDING,
    DELIVERY.c.forgiven_attempts == DELIVERY.c.attempts,
    DELIVERY.c.finished_at.is_(None),
    DELIVERY.c.lease_expires_at.is_not(None),
)


def test_a_bulk_replay_that_is_killed_in_the_middle_has_lost_nothing(
    settings: SettingsFactory,
    start_process: ProcessStarter,
    sqlite_ledger_url: str,
    sqlite_database: Database,
) -> None:
    total = 5000
    die(sqlite_database, total)
    chosen = settings(database_url=sqlite_ledger_url)
    first = start_process("python", "-m", "ops", "dead", "replay", "--all", settings=chosen)
    wait_until(lambda: count(sqlite_database, IS_REPLAYED), "the first batch", seconds=40)
    with sqlite_database.write():
        # While we have the write lock, it waits in the middle.
        first.kill()

    left = count(sqlite_database, IS_DEAD)
    assert 0 < left < total
    assert count(sqlite_database, IS_REPLAYED) == total - left

    again = start_process("python", "-m", "ops", "dead", "replay", "--all", settings=chosen)

    assert again.wait(seconds=40) == 0, again.output
    assert f"{left:,} deliveries replayed" in again.output
    assert count(sqlite_database, IS_REPLAYED) == total
    with sqlite_database.read() as connection:
        history = sa.select(sa.func.count()).select_from(table(AttemptRecord))
        assert connection.execute(history).scalar_one() == total


@pytest.mark.parametrize(
    ("answer", "code", "replayed", "last"),
    [
        ("n", 1, 0, "Aborted!"),
        ("", 1, 0, "Aborted!"),
        ("y", 0, 1200, "1,200 deliveries replayed: the scheduler queues them within seconds."),
    ],
)
def test_at_a_terminal_the_operator_is_asked_and_sees_how_far_it_is(
    settings: SettingsFactory,
    tmp_path: Path,
    sqlite_ledger_url: str,
    sqlite_database: Database,
    answer: str,
    code: int,
    replayed: int,
    last: str,
) -> None:
    die(sqlite_database, 1200)
    environment = environment_of(settings(database_url=sqlite_ledger_url))

    with Terminal("dead", "replay", "--all", environment=environment, folder=tmp_path) as terminal:
        terminal.wait_for("Replay 1,200 deliveries? [y/N]: ")
        assert count(sqlite_database, IS_REPLAYED) == 0
        terminal.type(f"{answer}\n")

        assert terminal.wait() == code
        assert terminal.shown.strip().endswith(last)
        assert ("100%" in terminal.shown) == bool(replayed)
    assert count(sqlite_database, IS_REPLAYED) == replayed


def test_with_yes_nobody_is_asked(
    settings: SettingsFactory, tmp_path: Path, sqlite_ledger_url: str, sqlite_database: Database
) -> None:
    die(sqlite_database, 3)
    environment = environment_of(settings(database_url=sqlite_ledger_url))
    command = ("dead", "replay", "--all", "--yes")

    with Terminal(*command, environment=environment, folder=tmp_path) as terminal:
        assert terminal.wait() == 0
        assert "[y/N]" not in terminal.shown
    assert count(sqlite_database, IS_REPLAYED) == 3
