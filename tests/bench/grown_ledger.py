"""A ledger in which years of a small shop's events, or two months of a large one's, are kept."""

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from psycopg import sql

from core.ledger.database import Database, table
from core.ledger.models import (
    AlertRecord,
    AlertState,
    AttemptRecord,
    CooldownRecord,
    DeliveryRecord,
    DeliveryStatus,
    EventRecord,
)
from core.ledger.numbers import NO_DAY
from tests.bench import orders

AGE = timedelta(days=60)

_CHUNK_EVENTS = 50_000
_ALERTS, _COOLDOWNS, _BODIES = 2_000, 20_000, 1_000

#: How often each type comes; the shares of a shop that sells on four channels.
_TYPES = {
    "order.new": 40,
    "order.updated": 25,
    "inventory.low": 15,
    "inventory.out_of_stock": 8,
    "sync.completed": 6,
    "order.cancelled": 4,
    "order.returned": 1.8,
    "listing.suppressed": 0.15,
    "channel.error": 0.05,
}
_HANDLERS = ("fulfilment", "bookkeeping", "stock_alerts")
_TURNS = _HANDLERS * 2

_Chances = Mapping[DeliveryStatus, float]

#: How often each status comes. What is rare is crowded together, as it is in life: one handler
#: skips what it doesn't need, and one outage leaves thousands of dead deliveries behind.
_USUAL: _Chances = {
    DeliveryStatus.SUCCEEDED: 99.92,
    DeliveryStatus.DEAD: 0.03,
    DeliveryStatus.UNCERTAIN: 0.02,
    DeliveryStatus.RETRYING: 0.03,
}
_ALWAYS_WELL: _Chances = {DeliveryStatus.SUCCEEDED: 100}
_IN_OUTAGE: _Chances = {DeliveryStatus.SUCCEEDED: 60, DeliveryStatus.DEAD: 40}
_PICKY: _Chances = {DeliveryStatus.SUCCEEDED: 85, DeliveryStatus.SKIPPED: 15}

#: A day of the first two weeks, by the share of all time that lies before.
_OUTAGE_FROM, _OUTAGE_UNTIL = 10 / 60, 11 / 60

_ENDED = {
    DeliveryStatus.SUCCEEDED: "succeeded",
    DeliveryStatus.SKIPPED: "skipped",
    DeliveryStatus.DEAD: "failed",
    DeliveryStatus.UNCERTAIN: "failed",
    DeliveryStatus.RETRYING: "failed",
}

Row = tuple[Any, ...]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of some events, table by table."""

    events: Sequence[Row]
    deliveries: Sequence[Row]
    attempts: Sequence[Row]


def fill(url: str, events: int, say: Say) -> None:
    """Put so many events of the last 60 days into an empty ledger, with all that belongs to them.

    One in five has two deliveries. Nothing is due, and some deliveries wait for a person.
    """
    now = datetime.now(UTC)
    with closing(Database(url)) as database:
        write = _sqlite_writer(database) if database.is_sqlite else _postgresql_writer(database)
        for first in range(0, events, _CHUNK_EVENTS):
            rows = _rows(range(first, min(first + _CHUNK_EVENTS, events)), events, now)
            write(table(EventRecord), rows.events)
            write(table(DeliveryRecord), rows.deliveries)
            write(table(AttemptRecord), rows.attempts)
            if (first + _CHUNK_EVENTS) % 500_000 == 0:
                say(f"  {first + _CHUNK_EVENTS:,} events in the ledger")
        write(table(AlertRecord), list(_alerts(now)))
        write(table(CooldownRecord), list(_cooldowns(now)))
        _settle(database)


def _sqlite_writer(database: Database) -> Callable[[sa.Table, Sequence[Row]], None]:
    def write(target: sa.Table, rows: Sequence[Row]) -> None:
        names = _columns(target)
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {target.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        with closing(sqlite3.connect(str(database.url.database))) as connection, connection:
            # Random keys: with a small cache each row would be a page to read and write again.
            connection.execute("PRAGMA cache_size=-2000000")
            connection.execute("PRAGMA synchronous=OFF")
            connection.executemany(statement, map(_for_sqlite, rows))

    return write


def _postgresql_writer(database: Database) -> Callable[[sa.Table, Sequence[Row]], None]:
    def write(target: sa.Table, rows: Sequence[Row]) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(target.name), sql.SQL(", ").join(map(sql.Identifier, _columns(target)))
        )
        with psycopg.connect(_address(database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)

    return write


def _settle(database: Database) -> None:
    """Let the database do now what it would do in the background within the hour."""
    if database.is_sqlite:
        with closing(sqlite3.connect(str(database.url.database))) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(_address(database), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _address(database: Database) -> str:
    url = database.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def _columns(target: sa.Table) -> list[str]:
    # The ledger numbers events itself, in the order in which they come: from 1 on.
    return [column.name for column in target.c if column is not table(EventRecord).c.number]


def _for_sqlite(row: Row) -> Row:
    return tuple(
        value.strftime("%Y-%m-%d %H:%M:%S.%f")
        if isinstance(value, datetime)
        else value.isoformat()
        if isinstance(value, date)
        else value
        for value in row
    )


def _rows(numbers: range, total: int, now: datetime) -> _Rows:
    chance = random.Random(numbers.start)  # noqa: S311 - it shall be the same each time
    types = chance.choices(list(_TYPES), list(_TYPES.values()), k=len(numbers))
    bodies = [orders.body(number) for number in range(_BODIES)]
    events, deliveries = [], []
    for number, event_type in zip(numbers, types, strict=True):
        received_at = now - AGE + AGE * (number / total)
        malformed = number % 10_000 == 0
        events.append(
            (
                f"evt_{chance.getrandbits(128):032x}",
                NO_DAY if malformed else received_at.date(),
                None if malformed else event_type,
                None if malformed else f"order:ord_{number // 3:09}",
                "webhook",
                None if malformed else received_at.replace(microsecond=0),
                received_at,
                bodies[number % _BODIES],
                malformed,
            )
        )
        if not malformed:
            handlers = _TURNS[number % 3 : number % 3 + 1 + (number % 5 == 0)]
            for handler in handlers:
                status = _status(chance, event_type, handler, number / total)
                deliveries.append((number + 1, handler, event_type, received_at, status))
    return _Rows(events, *_outcomes(deliveries, now))


def _status(chance: random.Random, event_type: str, handler: str, place: float) -> DeliveryStatus:
    chances = _USUAL
    if event_type == "sync.completed":
        chances = _ALWAYS_WELL
    elif event_type == "inventory.low":
        chances = _PICKY
    elif handler == "bookkeeping" and _OUTAGE_FROM <= place < _OUTAGE_UNTIL:
        chances = _IN_OUTAGE
    return chance.choices(list(chances), list(chances.values()))[0]


def _outcomes(
    shares: Iterable[tuple[int, str, str, datetime, DeliveryStatus]], now: datetime
) -> tuple[list[Row], list[Row]]:
    deliveries, attempts = [], []
    for event_number, handler, event_type, received_at, status in shares:
        began, count = received_at + timedelta(milliseconds=12), 1
        error = None
        if status in {DeliveryStatus.DEAD, DeliveryStatus.RETRYING}:
            count, error = 3, "HTTPError: 503 Service Unavailable"
        retried_at = now + timedelta(hours=6) if status is DeliveryStatus.RETRYING else None
        finished_at = None if retried_at else began + timedelta(minutes=2 * count - 2, seconds=1)
        deliveries.append(
            (
                *(event_number, handler, event_type, status.value, count, began, began, retried_at),
                *(None, None, 0, 0, finished_at, None, None, error),
            )
        )
        attempts += [
            (
                *(event_number, handler, number, began, 41.7, _ENDED[status]),
                *(error and "HTTPError", error and "503 Service Unavailable", None),
                *("worker-1:4711", "[]"),
            )
            for number in range(1, count + 1)
        ]
    return deliveries, attempts


def _alerts(now: datetime) -> Iterator[Row]:
    for number in range(_ALERTS):
        raised = now - AGE * (number / _ALERTS)
        yield (
            *(f"low_stock:sku-{number}", AlertState.SENT.value, "warning", "Low stock"),
            *("3 left", orjson.dumps({"sku": str(number)}).decode(), None, "stock_alerts"),
            *(0, raised, raised, raised, None, 0, "[]", None),
        )


def _cooldowns(now: datetime) -> Iterable[Row]:
    for number in range(_COOLDOWNS):
        over = now - AGE * (number / _COOLDOWNS)
        yield ("stock_alerts", f"sku-{number}", f"evt_{number:032x}", over)
