"""Empty ledgers, a new one for each measurement."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa

from core.ledger import schema
from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus, EventRecord
from tests.bench.bench import Bench
from tests.support.postgres import PostgresServer


def sqlite_ledger(bench: Bench) -> str:
    """The URL of an empty ledger in a file."""
    url = f"sqlite:///{bench.new_folder('ledger') / 'ledger.db'}"
    _upgrade(url)
    return url


@contextmanager
def postgres(bench: Bench) -> Iterator[PostgresServer]:
    """A PostgreSQL that syncs each commit to disk, on the core of this process: the load's."""
    # Where this isn't set, the server's package warns when it is imported.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(bench.folder))
    server = PostgresServer(is_durable=True)
    try:
        yield server
    finally:
        server.stop()


def postgres_ledger(server: PostgresServer) -> str:
    """The URL of an empty ledger in a database of its own."""
    url = server.url(server.create_database())
    _upgrade(url)
    return url


@contextmanager
def recorded_attempts(url: str) -> Iterator[Callable[[], int]]:
    """Tells how many attempts have been recorded since the block began."""
    number = table(AttemptRecord).c.event_number
    with closing(Database(url)) as database:

        def last() -> int:
            with database.read() as connection:
                return connection.scalar(sa.select(sa.func.max(number))) or 0

        first = last()

        def count() -> int:
            with database.read() as connection:
                newer = sa.select(sa.func.count()).where(number > first)
                return connection.scalar(newer) or 0

        yield count


def require_all_succeeded(url: str, events: int) -> None:
    """Make sure that a ledger holds so many events, each handled once and well."""
    delivery = table(DeliveryRecord)
    succeeded = delivery.c.status == DeliveryStatus.SUCCEEDED
    with closing(Database(url)) as database, database.read() as connection:
        found = [
            connection.scalar(sa.select(sa.func.count()).select_from(source))
            for source in (
                table(EventRecord),
                sa.select(delivery).where(succeeded).subquery(),
                table(AttemptRecord),
            )
        ]
    if found != [events] * 3:
        raise AssertionError(f"{events} events, but events, deliveries, attempts are {found}")


def _upgrade(url: str) -> None:
    with closing(Database(url)) as database:
        schema.upgrade(database)
