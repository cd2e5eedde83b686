"""A workbench on each database."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from sqlmodel import SQLModel

from core.ledger.database import Database
from handlers.registry import Handler
from tests.support.postgres import PostgresServer
from tests.support.workbench import Clock, Workbench
from workers.threads import HandlerThreads

OpenWorkbench = Callable[..., Workbench]


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: PostgresServer, migrated_postgres: str) -> Iterator[Database]:
    """The ledger in PostgreSQL that these tests share: making one for each would take longer."""
    name = postgres_server.create_database(migrated_postgres)
    database = Database(postgres_server.url(name))
    yield database
    database.close()
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty, migrated ledger: the test runs once on each database."""
    if request.param == "sqlite":
        sqlite: Database = request.getfixturevalue("sqlite_database")
        return sqlite
    postgres: Database = request.getfixturevalue("shared_postgres")
    tables = ", ".join(SQLModel.metadata.tables)
    with postgres.write() as connection:
        connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))
    return postgres


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[Any]]:
    """The lines that are logged while a test runs."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture(scope="session")
def handler_threads() -> HandlerThreads:
    """The threads that tests share: those of a pool can't be ended."""
    return HandlerThreads(8)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def open_workbench(
    database: Database, clock: Clock, handler_threads: HandlerThreads
) -> OpenWorkbench:
    """Makes a workbench with handlers of the test's own."""

    def open_one(*handlers: Handler | Callable[..., Any], **options: Any) -> Workbench:
        threads = options.pop("threads", handler_threads)
        return Workbench(database, clock, threads, handlers, **options)

    return open_one
