"""Deletes from the ledger what is finished and older than it has to be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger.database import Database, table
from core.ledger.models import (
    AlertRecord,
    AlertState,
    AttemptRecord,
    CooldownRecord,
    DeliveryRecord,
    DeliveryStatus,
    EventRecord,
    StepRecord,
)

_ALERT = table(AlertRecord)
_COOLDOWN = table(CooldownRecord)
_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)

#: What belongs to an event, and goes with it.
_PARTS = (table(AttemptRecord), table(StepRecord), _DELIVERY)

#: Events that are looked at in one transaction.
EVENTS_MAX = 500

#: Cooldowns that are deleted in one transaction.
COOLDOWNS_MAX = 5_000

#: Nothing more happens to these, and nobody has to decide about them.
_OVER = (DeliveryStatus.SUCCEEDED, DeliveryStatus.SKIPPED, DeliveryStatus.DEAD)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a pass has come: the last event that it has looked at, deleted or not."""

    received_at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one transaction has deleted; `end` is None where no older event is left to look at."""

    events: int
    deliveries: int
    end: Position | None


def delete_events(
    database: Database, cutoff: datetime, after: Position | None = None, *, limit: int = EVENTS_MAX
) -> Deleted:
    """Delete those of the next `limit` events, the oldest first, that are finished and old.

    An event goes with its deliveries, attempts and steps, once it was received and all its
    deliveries became final before `cutoff`. One with an `uncertain` delivery stays: somebody still
    has to decide.

    Args:
        database: The ledger.
        cutoff: What happened before it is old.
        after: Where the call before has ended. So a pass looks at each event once, however many
            have to stay.
        limit: At most so many events are looked at.
    """
    with database.write() as connection:
        old = _old_events(connection, cutoff, after, limit)
        if not old:
            return Deleted(0, 0, None)
        numbers = [row.number for row in old]
        doomed = sorted(set(numbers) - _unfinished(connection, numbers, cutoff))
        counts = [_delete(connection, part.c.event_number, doomed) for part in _PARTS]
        events = _delete(connection, _EVENT.c.number, doomed)
    end = Position(old[-1].received_at, old[-1].id) if len(old) == limit else None
    return Deleted(events, counts[-1], end)


def _old_events(
    connection: Connection, cutoff: datetime, after: Position | None, limit: int
) -> Sequence[sa.Row[Any, Any, Any]]:
    columns = (_EVENT.c.number, _EVENT.c.id, _EVENT.c.received_at)
    query = sa.select(*columns).where(_EVENT.c.received_at < cutoff)
    if after is not None:
        place = sa.tuple_(_EVENT.c.received_at, _EVENT.c.id)
        query = query.where(place > (after.received_at, after.event_id))
    return connection.execute(query.order_by(_EVENT.c.received_at, _EVENT.c.id).limit(limit)).all()


def _unfinished(connection: Connection, numbers: Sequence[int], cutoff: datetime) -> set[int]:
    """The events that have to stay, and a lock on every delivery of the others.

    What somebody else has locked, for a replay say, counts as unfinished.
    """
    deliveries = sa.select(_DELIVERY.c.event_number, _DELIVERY.c.handler).where(
        _DELIVERY.c.event_number.in_(numbers)
    )
    is_over = sa.and_(
        _DELIVERY.c.status.in_(_OVER),
        sa.or_(_DELIVERY.c.finished_at.is_(None), _DELIVERY.c.finished_at < cutoff),
    )
    locked = set(connection.execute(deliveries.where(is_over).with_for_update(skip_locked=True)))
    return {row.event_number for row in connection.execute(deliveries) if row not in locked}


def _delete(connection: Connection, column: "sa.Column[int]", numbers: Collection[int]) -> int:
    if not numbers:
        return 0
    return connection.execute(sa.delete(column.table).where(column.in_(numbers))).rowcount


def delete_cooldowns(database: Database, cutoff: datetime, *, limit: int = COOLDOWNS_MAX) -> int:
    """Delete at most `limit` cooldowns that were over before `cutoff`; return how many."""
    key = sa.tuple_(_COOLDOWN.c.handler, _COOLDOWN.c.key)
    over = sa.select(_COOLDOWN.c.handler, _COOLDOWN.c.key).where(_COOLDOWN.c.until < cutoff)
    with database.write() as connection:
        return connection.execute(
            sa.delete(_COOLDOWN).where(key.in_(over.limit(limit)), _COOLDOWN.c.until < cutoff)
        ).rowcount


def delete_alerts(database: Database, cutoff: datetime) -> int:
    """Delete alerts that somebody was told of and that have not been raised since `cutoff`."""
    told = _ALERT.c.state.in_([AlertState.SENT, AlertState.LOGGED])
    with database.write() as connection:
        return connection.execute(
            sa.delete(_ALERT).where(told, _ALERT.c.last_raised_at < cutoff)
        ).rowcount
