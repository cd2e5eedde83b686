"""What the ledger tells of events: what arrived, who handled it, when, with what result."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import EventId, EventRef
from core.ledger import patterns
from core.ledger.database import Database, table
from core.ledger.listing import Wanted, newest
from core.ledger.models import AttemptRecord, DeliveryRecord, EventRecord
from core.ledger.numbers import every_day, numbers_of

_ATTEMPT = table(AttemptRecord)
_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)

Row = sa.Row[Any]
Story = dict[str, Any]


def latest(
    database: Database,
    *,
    limit: int,
    event_type: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
) -> list[Story]:
    """The newest events first, without their bodies and attempts.

    Args:
        database: The ledger.
        limit: At most so many.
        event_type: Only these; `*` stands for any characters, as in ``order.*``.
        status: Only events with a delivery of this status.
        since: Only those received at this time or later.
    """
    wanted = Wanted(event_type, status, since)
    with database.read() as connection:
        events = newest(connection, wanted, limit)
        deliveries = _deliveries(connection, [event.number for event in events])
    return [{**_event(event), "deliveries": deliveries.get(event.number, [])} for event in events]


def whole(database: Database, event_id: EventId) -> Story | None:
    """One event's whole story; None where the ledger doesn't know it."""
    with database.read() as connection:
        number = numbers_of(connection, [EventRef(event_id)]).get(event_id)
        if number is None:
            return None
        event = connection.execute(sa.select(_EVENT).where(_EVENT.c.number == number)).one()
        deliveries = _deliveries(connection, [number]).get(number, [])
        attempts = connection.execute(
            sa.select(_ATTEMPT).where(_ATTEMPT.c.event_number == number).order_by(_ATTEMPT.c.number)
        ).all()
    for delivery in deliveries:
        delivery["history"] = [
            _attempt(row) for row in attempts if row.handler == delivery["handler"]
        ]
    return {
        **_event(event),
        "raw": event.raw.decode("utf-8", "backslashreplace"),
        "deliveries": deliveries,
    }


def ids_like(database: Database, prefix: str, *, limit: int = 5) -> list[str]:
    """The ids of events that begin with `prefix`."""
    begins = _EVENT.c.id.like(patterns.beginning(prefix), escape=patterns.ESCAPE)
    # PostgreSQL uses an index for LIKE only where texts are sorted by their bytes. Ids are made of
    # lower-case letters, digits and one underscore: in every locale they come before this.
    place = _EVENT.c.id.between(prefix, prefix + "z")
    query = sa.select(_EVENT.c.id).where(_EVENT.c.day.in_(every_day()), begins, place).limit(limit)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def _deliveries(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Story]]:
    """The deliveries of events, by the events' numbers."""
    if not numbers:
        return {}
    rows = connection.execute(
        sa.select(_DELIVERY)
        .where(_DELIVERY.c.event_number.in_(numbers))
        .order_by(_DELIVERY.c.event_number, _DELIVERY.c.handler)
    )
    return _group(rows)


def _group(rows: Iterable[Row]) -> dict[int, list[Story]]:
    found: dict[int, list[Story]] = {}
    for row in rows:
        found.setdefault(row.event_number, []).append(
            {
                "handler": row.handler,
                "status": row.status,
                "attempts": row.attempts,
                "next_attempt_at": written(row.next_attempt_at),
                "note": row.note,
                "error": row.error,
            }
        )
    return found


def _event(row: Row) -> Story:
    return {
        "id": row.id,
        "type": row.type,
        "entity": row.entity,
        "source": row.source,
        "created_at": written(row.created_at),
        "received_at": written(row.received_at),
        "malformed": row.malformed,
    }


def _attempt(row: Row) -> Story:
    error = row.error_type and {
        "type": row.error_type,
        "message": row.error_message,
        "traceback": row.traceback,
    }
    return {
        "number": row.number,
        "started_at": written(row.started_at),
        "duration_ms": row.duration_ms,
        "result": row.result,
        "error": error,
        "worker": row.worker,
        "api_calls": row.api_calls,
    }


def written(moment: datetime | None) -> str | None:
    """A time as every story writes it, such as ``2026-03-01T09:30:00.000Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
