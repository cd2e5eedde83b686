"""Lanes: for an ordered handler, the events of one entity, one after the other by `created_at`."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, EventRecord

_EVENT = table(EventRecord)

#: Whether a row of the delivery table, by the name that it has in a statement, is unfinished in a
#: lane. The index's own words, and literals: only so do the planners see that it fits.
WAITS = "{0}.lane IS NOT NULL AND {0}.status IN ('pending', 'running', 'retrying')"


def is_blocked(delivery: sa.Table) -> sa.ColumnElement[bool]:
    """Whether an earlier event of the same lane isn't finished yet for the same handler."""
    other = table(DeliveryRecord).alias("earlier")
    mine, theirs = _EVENT.alias("mine"), _EVENT.alias("theirs")
    earlier = (
        sa.select(sa.literal(1))
        .select_from(other)
        .join(theirs, theirs.c.number == other.c.event_number)
        .join(mine, mine.c.number == delivery.c.event_number)
        .where(
            other.c.handler == delivery.c.handler,
            other.c.lane == delivery.c.lane,
            sa.text(WAITS.format("earlier")),
            sa.tuple_(*_order(theirs)) < sa.tuple_(*_order(mine)),
        )
    )
    return sa.exists(earlier.correlate(delivery))


def lock(database: Database, connection: Connection, lanes: Iterable[tuple[str, str]]) -> None:
    """Keep others from adding to these lanes, or finishing in them, until the transaction's end.

    Without it, a delivery could come to wait for another that has just finished, and that didn't
    see it waiting. SQLite has one writer at a time anyway.

    Args:
        database: The ledger.
        connection: The transaction.
        lanes: Handlers' names with their lanes.
    """
    if database.is_sqlite:
        return
    # In one order everywhere: two transactions would wait for each other otherwise.
    for handler, lane in sorted(set(lanes)):
        key = sa.func.hashtextextended(f"{handler} {lane}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _order(event: "sa.FromClause") -> tuple[sa.ColumnElement[Any], ...]:
    """What tells the earlier of two events: EcomLinx's times are whole seconds, often equal."""
    return (
        sa.func.coalesce(event.c.created_at, event.c.received_at),
        event.c.received_at,
        event.c.id,
    )
