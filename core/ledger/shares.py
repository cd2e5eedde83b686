"""A handler's share of an event, and the rows that belong to it."""

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import EventRef
from core.ledger.numbers import numbers_of

#: An event's number, and a handler's name.
Key = tuple[int, str]


class Share(NamedTuple):
    """One handler's share of one event."""

    event: EventRef
    handler: str


def key_of(row: "sa.Row[*tuple[Any, ...]]") -> Key:
    """The key of the delivery that a row tells of."""
    return row.event_number, row.handler


def by_key(connection: Connection, shares: Collection[Share]) -> dict[Key, Share]:
    """Those of these shares whose events the ledger knows, by their keys."""
    numbers = numbers_of(connection, {share.event for share in shares})
    return {(numbers[s.event.id], s.handler): s for s in shares if s.event.id in numbers}


def belong_to(rows: sa.Table, keys: Collection[Key]) -> sa.ColumnElement[bool]:
    """The condition that rows are of one of these events and handlers, found by the primary key.

    The pairs alone would do, were it not for SQLite: it then reads the whole table.
    """
    return sa.and_(
        rows.c.event_number.in_(sorted({number for number, _ in keys})),
        sa.tuple_(rows.c.event_number, rows.c.handler).in_(list(keys)),
    )
