"""INSERTs of many rows by one constant statement."""

from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError

from core.ledger import database as database_module
from core.ledger.bulk import BulkInsert
from core.ledger.database import Database, table
from core.ledger.models import ID_MAX_CHARS, CooldownRecord
from tests.support.ledgers import NOW

_COOLDOWN = table(CooldownRecord)
_INSERT = BulkInsert(
    CooldownRecord,
    each=("key", "until"),
    shared=("handler", "event_id"),
    conflict="ON CONFLICT DO NOTHING",
    returning=("key",),
)


def _insert(
    database: Database, rows: list[tuple[str | None, datetime]], event_id: str = "evt_1"
) -> list[tuple[str]]:
    with database.write() as connection:
        return list(_INSERT.execute(database, connection, rows, ("restock", event_id)))


def test_rows_are_as_if_sqlalchemy_had_written_them(database: Database) -> None:
    in_paris = NOW.astimezone(timezone(timedelta(hours=1)))
    _insert(database, [("bulk", in_paris), ("later", NOW + timedelta(microseconds=5))])
    usual = {"handler": "restock", "key": "usual", "event_id": "evt_1", "until": in_paris}
    with database.write() as connection:
        connection.execute(sa.insert(_COOLDOWN), [usual])

    with database.read() as connection:
        found = connection.execute(
            sa.select(_COOLDOWN).where(_COOLDOWN.c.until == NOW).order_by(_COOLDOWN.c.key)
        )
        assert [tuple(row) for row in found] == [
            ("restock", "bulk", "evt_1", NOW),
            ("restock", "usual", "evt_1", NOW),
        ]


def test_only_rows_that_were_written_are_told_of(database: Database) -> None:
    assert _insert(database, [("a", NOW), ("b", NOW)]) == [("a",), ("b",)]
    assert _insert(database, [("b", NOW), ("c", NOW)]) == [("c",)]
    assert _insert(database, []) == []


def test_a_row_that_is_refused_is_sqlalchemys_error_and_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError):
        _insert(database, [("a", NOW), (None, NOW)])

    assert _insert(database, [("a", NOW)]) == [("a",)]


def test_postgresql_refuses_a_text_that_is_too_long_instead_of_cutting_it(
    postgres_ledger_url: str,
) -> None:
    database = Database(postgres_ledger_url)
    with pytest.raises(DataError):
        _insert(database, [("a", NOW)], event_id="e" * (ID_MAX_CHARS + 1))
    database.close()


def test_a_connection_that_broke_while_it_lay_idle_is_replaced(
    postgres_ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_PING_AFTER_SECONDS", 0)
    database, other = Database(postgres_ledger_url), Database(postgres_ledger_url)
    database.ping()
    with other.write() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    database.ping()

    database.close()
    other.close()
