"""The ledger's engine: how to write to SQLite and PostgreSQL alike."""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import SQLModel

#: PostgreSQL's codes: serialization failure, deadlock, lock not available.
_CONTENTION = frozenset({"40001", "40P01", "55P03"})

#: PostgreSQL's code for a write to a standby, as after a failover.
_READ_ONLY = "25006"

#: PostgreSQL's class of errors for statements that are too large or too deeply nested.
_TOO_COMPLEX = "54"

#: Seconds that a connection to PostgreSQL lies idle before it is asked whether it still works.
_PING_AFTER_SECONDS = 1.0

#: Seconds that a writer waits for SQLite's one write lock.
SQLITE_BUSY_SECONDS = 15


class Database:
    """A connection pool to the ledger. Thread-safe."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url, pool_size)
        self._writing = self.engine.execution_options(is_write=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that changes the ledger; committed at the end of the block."""
        with self._writing.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look at the ledger."""
        with self.engine.connect() as connection:
            yield connection

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: It has none.
        """
        with self.read() as connection:
            connection.execute(sa.select(1))

    def insert(self, model: type[SQLModel]) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ON CONFLICT, in this database's dialect."""
        insert: Any = sqlite.insert if self.is_sqlite else postgresql.insert
        statement: sqlite.Insert | postgresql.Insert = insert(table(model))
        return statement

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def is_contention(error: Exception) -> bool:
    """Whether a transaction only met another one: a lock, a deadlock, a serialization failure."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.OperationalError):
        # The low byte is the family: SQLITE_BUSY_SNAPSHOT and others are kinds of it.
        return cause.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return getattr(cause, "sqlstate", None) in _CONTENTION


def is_away(error: Exception) -> bool:
    """Whether the database couldn't be reached, broke off, or takes no writes for now."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return not _is_statements_fault(error)
    if isinstance(error, PoolTimeoutError):
        return True
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _READ_ONLY
    )


def _is_statements_fault(error: DBAPIError) -> bool:
    """Whether a statement can't work, however often it is tried, in spite of the error's class."""
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode == sqlite3.SQLITE_ERROR
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    return sqlstate is not None and sqlstate.startswith(_TOO_COMPLEX)


def table(model: type[SQLModel]) -> sa.Table:
    """The SQL table of a model."""
    return model.__table__  # type: ignore[attr-defined, no-any-return]


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # Python's own implicit BEGIN is deferred, and a deferred transaction that turns to writing
        # fails at once when another has written since. We begin ourselves, see below.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        # NORMAL may lose the newest commits in a power cut, when Redis has already let go of them.
        connection.execute("PRAGMA synchronous=FULL")
        # As in PostgreSQL; only so does LIKE use an index, too.
        connection.execute("PRAGMA case_sensitive_like=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        is_write = connection.get_execution_options().get("is_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


def _postgresql(url: sa.URL, pool_size: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={
            "connect_timeout": 5,
            "application_name": "ecomlinx-hooks",
            # A server that has vanished without a word is noticed in seconds, not in two hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )
    _ping_after_rest(engine)
    return engine


def _ping_after_rest(engine: sa.Engine) -> None:
    """Replace connections that broke while they lay idle, without asking at every turn.

    SQLAlchemy's own `pool_pre_ping` asks before each transaction: one round trip of five.
    """

    @sa.event.listens_for(engine, "checkin")
    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        rested = time.monotonic() - record.info.get("used_at", math.inf)
        if rested < _PING_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # Those that lay beside it broke with it: the pool opens new ones in their stead.
            raise InvalidatePoolError from error
