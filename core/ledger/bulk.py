"""INSERTs of many rows, each written once, that cost a driver as little as they can.

With a placeholder for every cell, a statement is another one for every number of rows: compiled,
taken apart by the driver and planned anew, which cost more than all else in a transaction. Here
PostgreSQL gets one array per column; SQLite, which is no round trip away, gets the same statement
once a row and keeps it prepared.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from core.ledger.database import Database, table

#: A row to insert, or what the database tells of one. JSON columns take their text.
Row = tuple[Any, ...]

_POSTGRESQL: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


class BulkInsert:
    """An INSERT of any number of rows into one table. Thread-safe.

    Args:
        model: Whose table.
        each: The columns that every row has of its own, in the order of its cells.
        shared: The columns that all rows of one execution have in common. Columns that are in
            neither get their defaults.
        conflict: An ON CONFLICT clause.
        returning: Columns to be told of the rows that were written.
    """

    def __init__(
        self,
        model: type[SQLModel],
        *,
        each: Sequence[str],
        shared: Sequence[str] = (),
        conflict: str = "",
        returning: Sequence[str] = (),
    ) -> None:
        columns = [table(model).c[name] for name in (*each, *shared)]
        head = f"INSERT INTO {table(model).name} ({', '.join(column.name for column in columns)})"
        tail = f"{conflict} RETURNING {', '.join(returning)}" if returning else conflict
        own, common = columns[: len(each)], columns[len(each) :]
        self._postgresql = f"{head} {_unnested(own, common)} {tail}"
        self._sqlite = f"{head} VALUES ({', '.join('?' for _ in columns)}) {tail}"
        self._returns = bool(returning)
        self._times = [n for n, column in enumerate(columns) if _is_time(column)]

    def execute(
        self, database: Database, connection: Connection, rows: Sequence[Row], shared: Row = ()
    ) -> Sequence[Row]:
        """Insert rows; return what `returning` asks of those that were written."""
        if not rows:
            return ()
        if database.is_sqlite:
            return self._one_by_one(connection, [self._sqlite_row(row + shared) for row in rows])
        arrays = map(list, zip(*rows, strict=True))
        result = connection.exec_driver_sql(self._postgresql, (*shared, *arrays))
        return [tuple(row) for row in result] if self._returns else ()

    def _one_by_one(self, connection: Connection, rows: list[list[Any]]) -> Sequence[Row]:
        cursor = connection.connection.cursor()
        try:
            if self._returns:
                return [t for row in rows for t in cursor.execute(self._sqlite, row).fetchall()]
            cursor.executemany(self._sqlite, rows)
        except sqlite3.Error as error:
            # As SQLAlchemy does with the statements that it executes itself.
            raise DBAPIError.instance(
                self._sqlite, None, error, sqlite3.Error, hide_parameters=True
            ) from error
        return ()

    def _sqlite_row(self, row: Row) -> list[Any]:
        cells = list(row)
        for index in self._times:
            cells[index] = _sqlite_time(cells[index])
        return cells


def _unnested(own: Sequence["sa.Column[Any]"], common: Sequence["sa.Column[Any]"]) -> str:
    constants = "".join(f", %s::{_postgresql_type(column)}" for column in common)
    arrays = ", ".join(f"%s::{_postgresql_type(column)}[]" for column in own)
    return f"SELECT new.*{constants} FROM unnest({arrays}) AS new"  # noqa: S608 - types only


def _postgresql_type(column: "sa.Column[Any]") -> str:
    # Without its length: a cast would cut a text that is too long, where the column refuses it.
    return column.type.compile(dialect=_POSTGRESQL).partition("(")[0]


def _is_time(column: "sa.Column[Any]") -> bool:
    return _postgresql_type(column).startswith(("TIMESTAMP", "DATE"))


def _sqlite_time(moment: datetime | date | None) -> str | None:
    """A time or a day as SQLAlchemy writes it to SQLite: in UTC, which it doesn't say."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")
