"""The ledger's schema."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from core.ledger import dead, schema, steps, stories
from core.ledger.database import Database
from core.ledger.dead import Which
from core.ledger.models import DeliveryStatus, StepState
from core.ledger.outcomes import Error
from core.ledger.schema import LedgerOutOfDateError
from core.ledger.steps import Step
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.deliveries import body_of
from tests.support.ledgers import (
    NOW,
    admit,
    admit_one,
    arrival_of,
    claim_share,
    end,
    lease_of,
    seconds,
)

UPGRADE = (
    "from core.settings import load;"
    "from core.ledger import schema;"
    "from core.ledger.database import Database;"
    "print('upgraded', *schema.upgrade(Database(load().ledger_url)))"
)


def test_an_upgrade_makes_the_tables_that_the_models_describe(blank_database: Database) -> None:
    before, after = schema.upgrade(blank_database)

    assert before is None
    assert after is not None
    assert schema.differences(blank_database) == []
    schema.require_current(blank_database)


def test_a_second_upgrade_changes_nothing(blank_database: Database) -> None:
    _, head = schema.upgrade(blank_database)

    assert schema.upgrade(blank_database) == (head, head)


def test_an_upgrade_keeps_what_the_ledger_knows(blank_database: Database) -> None:
    schema.upgrade(blank_database)
    arrivals = [arrival_of(body_of(id=f"ord_{n}"), received_at=NOW + seconds(n)) for n in range(9)]
    undated = arrival_of(b"no event", received_at=NOW)
    for claim in admit(blank_database, [*reversed(arrivals), undated], ["restock", "notify"]):
        steps.finish(blank_database, claim, "order", "po_1", NOW)
        end(blank_database, claim, DeliveryStatus.RETRYING, due_at=NOW, error=Error("E", "no"))
    lost = arrival_of(body_of("inventory.low"), received_at=NOW)
    end(blank_database, admit_one(blank_database, lost), DeliveryStatus.DEAD)
    before = stories.latest(blank_database, limit=20)
    told = [stories.whole(blank_database, event["id"]) for event in before]

    _move(blank_database, command.downgrade, "0003")
    _move(blank_database, command.upgrade, "head")

    assert schema.differences(blank_database) == []
    assert stories.latest(blank_database, limit=20) == before
    assert [stories.whole(blank_database, event["id"]) for event in before] == told
    (letter,) = dead.latest(blank_database, Which(event_type="inventory.*"), limit=20)
    assert letter.event_id == lost.id
    # Known again by their bodies, and by what belongs to them.
    assert admit(blank_database, [*arrivals, undated]) == []
    (again,) = claim_share(blank_database, arrivals[0].id, "restock", lease_of())
    assert steps.begin(blank_database, again, "order", NOW) == Step(StepState.DONE, "po_1", 1)
    (fresh,) = admit(blank_database, [arrival_of()])
    assert fresh.event_number > again.event_number


def test_differences_are_found(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE delivery DROP COLUMN note"))
        connection.execute(sa.text("DROP INDEX ix_event_received_at"))

    assert len(schema.differences(database)) == 2


def test_threads_that_upgrade_at_once_all_succeed(blank_database: Database) -> None:
    # Each has an engine of its own, as each process has.
    url = blank_database.url.render_as_string(hide_password=False)
    databases = [Database(url) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        revisions = list(pool.map(schema.upgrade, databases))

    for database in databases:
        database.close()
    assert len({after for _, after in revisions}) == 1
    assert [before for before, _ in revisions].count(None) == 1
    assert schema.differences(blank_database) == []


def test_processes_that_upgrade_at_once_all_succeed(
    blank_database: Database, start_process: ProcessStarter, settings: SettingsFactory
) -> None:
    url = blank_database.url.render_as_string(hide_password=False)
    chosen = settings(database_url=url)

    processes = [start_process("python", "-c", UPGRADE, settings=chosen) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0], [p.output for p in processes]
    firsts = [process for process in processes if "upgraded None" in process.output]
    assert len(firsts) == 1
    schema.require_current(blank_database)


def test_a_ledger_without_tables_is_refused_with_what_to_do(blank_database: Database) -> None:
    with pytest.raises(LedgerOutOfDateError) as refusal:
        schema.require_current(blank_database)

    assert "has no tables yet" in str(refusal.value)
    assert "run `ecomlinx-hooks db upgrade`" in str(refusal.value)


def test_a_ledger_of_another_version_is_refused_with_what_to_do(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(LedgerOutOfDateError, match="is at revision 9999, this version needs"):
        schema.require_current(database)


def test_the_refusal_shows_no_password(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(password="canary-password")  # noqa: S106
    database = Database(url.render_as_string(hide_password=False))

    with pytest.raises(LedgerOutOfDateError) as refusal:
        schema.require_current(database)

    database.close()
    assert "canary" not in str(refusal.value)


def test_a_write_that_fails_leaves_nothing_behind(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(sa.text("DELETE FROM alembic_version"))
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        fail()

    schema.require_current(database)


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2)])
def test_sqlite_survives_a_power_cut(sqlite_database: Database, pragma: str, value: object) -> None:
    with sqlite_database.read() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_sqlite_makes_the_folder_of_its_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a' / 'b' / 'ledger.db'}")

    schema.upgrade(database)

    database.close()
    assert (tmp_path / "a" / "b" / "ledger.db").exists()


def test_writers_wait_for_each_other(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE counter (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO counter VALUES (0)"))

    def count(_: int) -> None:
        for _ in range(25):
            with database.write() as connection:
                connection.execute(sa.text("UPDATE counter SET n = n + 1"))

    _in_threads(count)

    with database.read() as connection:
        assert connection.execute(sa.text("SELECT n FROM counter")).scalar_one() == 100


def _move(database: Database, command: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).with_name("migrations")))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command(config, revision)


def _in_threads(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
