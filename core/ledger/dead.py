"""Deliveries that wait for a person: those that are dead, or whose effect is uncertain."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core.events import EventId
from core.ledger import patterns
from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus, EventRecord

Condition = sa.ColumnElement[bool] | sa.TextClause

_ATTEMPT = table(AttemptRecord)
_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)

#: Word for word the condition of `ix_delivery_unresolved`: only so does SQLite use the index.
_UNRESOLVED = sa.text("delivery.status IN ('dead', 'uncertain')")


@dataclass(frozen=True, slots=True)
class Which:
    """Which of them are meant. What is None makes no difference.

    Attributes:
        status: `dead` or `uncertain`.
        handler: The handler's name.
        event_type: The event's type; `*` stands for any characters, as in ``order.*``.
        since: Those that became so at this time or later.
        until: Those that became so at this time or earlier.
    """

    status: DeliveryStatus | None = None
    handler: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead or uncertain delivery, and the event that it is of."""

    event_id: EventId
    type: str | None
    entity: str | None
    handler: str
    status: DeliveryStatus
    attempts: int
    finished_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of one handler ended with one type of error, and when."""

    handler: str
    error_type: str | None
    deliveries: int
    first_at: datetime | None
    last_at: datetime | None


def latest(database: Database, which: Which, *, limit: int) -> list[DeadLetter]:
    """At most `limit` of them, the latest trouble first."""
    query = (
        sa.select(
            _EVENT.c.id,
            _DELIVERY.c.event_type,
            _EVENT.c.entity,
            _DELIVERY.c.handler,
            _DELIVERY.c.status,
            _DELIVERY.c.attempts,
            _DELIVERY.c.finished_at,
            _DELIVERY.c.error,
        )
        .join(_EVENT, _EVENT.c.number == _DELIVERY.c.event_number)
        .where(*conditions(which))
        .order_by(
            _DELIVERY.c.finished_at.desc().nulls_last(),
            _DELIVERY.c.event_number,
            _DELIVERY.c.handler,
        )
        .limit(limit)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    return [DeadLetter(EventId(r[0]), *r[1:4], DeliveryStatus(r.status), *r[5:]) for r in rows]


def count(database: Database, which: Which) -> int:
    """How many there are."""
    query = sa.select(sa.func.count()).select_from(_DELIVERY).where(*conditions(which))
    with database.read() as connection:
        found: int = connection.execute(query).scalar_one()
    return found


def tally(database: Database, which: Which) -> list[Tally]:
    """Count them by handler and type of error, the most frequent first."""
    last_attempt = sa.and_(
        _ATTEMPT.c.event_number == _DELIVERY.c.event_number,
        _ATTEMPT.c.handler == _DELIVERY.c.handler,
        _ATTEMPT.c.number == _DELIVERY.c.attempts,
    )
    deliveries = sa.func.count()
    when = _DELIVERY.c.finished_at
    query = (
        sa.select(
            _DELIVERY.c.handler,
            _ATTEMPT.c.error_type,
            deliveries,
            sa.func.min(when),
            sa.func.max(when),
        )
        .select_from(_DELIVERY.outerjoin(_ATTEMPT, last_attempt))
        .where(*conditions(which))
        .group_by(_DELIVERY.c.handler, _ATTEMPT.c.error_type)
        .order_by(deliveries.desc(), _DELIVERY.c.handler)
    )
    with database.read() as connection:
        return [Tally(*row) for row in connection.execute(query)]


def conditions(which: Which) -> list[Condition]:
    """What is true of these deliveries."""
    finished_at = _DELIVERY.c.finished_at
    found: list[Condition] = [_UNRESOLVED]
    if which.status:
        found.append(_DELIVERY.c.status == which.status)
    if which.handler:
        found.append(_DELIVERY.c.handler == which.handler)
    if which.event_type:
        found.append(patterns.fits(_DELIVERY.c.event_type, which.event_type))
    if which.since:
        found.append(finished_at >= which.since)
    if which.until:
        # Older versions did not write down when a delivery became final.
        found.append(sa.or_(finished_at.is_(None), finished_at <= which.until))
    return found
