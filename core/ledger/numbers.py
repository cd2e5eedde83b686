"""Where an event is in the ledger: from its id, which the world knows, to the ledger's number."""

from collections.abc import Collection, Iterable
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import Envelope, EventId, EventRef, Malformed
from core.ledger.database import table
from core.ledger.models import EventRecord

_EVENT = table(EventRecord)

#: The day of an event whose body names no time.
NO_DAY = date(1970, 1, 1)


def day_of(parsed: Envelope | Malformed) -> date:
    """The day in UTC on which an event happened, as its body says: the same body, the same day.

    Ids are unique together with it. So a new event's place in the index is among those of its day,
    which are in memory, and not anywhere among all that were ever received.
    """
    if isinstance(parsed, Malformed) or parsed.created_at is None:
        return NO_DAY
    return parsed.created_at.date()


def numbers_of(connection: Connection, events: Collection[EventRef]) -> dict[EventId, int]:
    """The numbers of those of these events that the ledger knows."""
    dated = {(event.day, event.id) for event in events if event.day is not None}
    found = _find(connection, [sa.tuple_(_EVENT.c.day, _EVENT.c.id).in_(sorted(dated))], dated)
    undated = {event.id for event in events if event.id not in found}
    anywhere = [_EVENT.c.day.in_(every_day()), _EVENT.c.id.in_(sorted(undated))]
    return found | _find(connection, anywhere, undated)


def ids_of(connection: Connection, numbers: Iterable[int]) -> dict[int, EventId]:
    """The ids of the events with these numbers."""
    wanted = sorted(set(numbers))
    found = _find(connection, [_EVENT.c.number.in_(wanted)], wanted)
    return {number: event_id for event_id, number in found.items()}


def every_day() -> "sa.Select[tuple[date | None]]":
    """The days of all events, found by jumping from one to the next in their index."""
    days = sa.select(sa.func.min(_EVENT.c.day).label("day")).cte("days", recursive=True)
    later = sa.select(sa.func.min(_EVENT.c.day)).where(_EVENT.c.day > days.c.day)
    days = days.union_all(
        sa.select(later.correlate(days).scalar_subquery()).where(days.c.day.is_not(None))
    )
    return sa.select(days.c.day)


def _find(
    connection: Connection, where: Iterable[sa.ColumnElement[bool]], wanted: Collection[object]
) -> dict[EventId, int]:
    if not wanted:
        return {}
    rows = connection.execute(sa.select(_EVENT.c.id, _EVENT.c.number).where(*where))
    return {EventId(row.id): row.number for row in rows}
