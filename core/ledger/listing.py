"""Which events a list shows: the newest of a type, with a status, in milliseconds among millions.

Walking through the events from the newest on is fast where most of them fit. Where hardly any do,
the walk ends at the oldest event: so types are looked up in their own index, and events with a
status that few deliveries have are found by those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger import patterns
from core.ledger.database import table
from core.ledger.models import DeliveryRecord, DeliveryStatus, EventRecord

_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)
_BRIEF = [column for column in _EVENT.c if column.name != "raw"]

#: A status is rare when no more deliveries have it: looking at all of them takes milliseconds.
_RARE_MAX = 5_000

#: EcomLinx has a dozen types. Should there be more, a pattern's are not looked up one by one.
_TYPES_MAX = 50

#: Word for word the conditions of the indexes: only so does SQLite use them. There is none for
#: `succeeded`, which is never rare in a large ledger.
_INDEXED: Mapping[str, str] = {
    DeliveryStatus.RUNNING: "delivery.status IN ('running', 'pending')",
    DeliveryStatus.PENDING: "delivery.status IN ('running', 'pending')",
    DeliveryStatus.RETRYING: "delivery.status = 'retrying'",
    DeliveryStatus.DEAD: "delivery.status IN ('dead', 'uncertain')",
    DeliveryStatus.UNCERTAIN: "delivery.status IN ('dead', 'uncertain')",
    DeliveryStatus.SKIPPED: "delivery.status = 'skipped'",
}

Row = sa.Row[Any]
Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted. What is None makes no difference.

    Attributes:
        event_type: Only these; `*` stands for any characters, as in ``order.*``.
        status: Only events with a delivery of this status.
        since: Only those received at this time or later.
    """

    event_type: str | None = None
    status: str | None = None
    since: datetime | None = None


def newest(connection: Connection, wanted: Wanted, limit: int) -> Sequence[Row]:
    """At most `limit` of these events without their bodies, the newest first."""
    always = [_EVENT.c.received_at >= wanted.since] if wanted.since else []
    if wanted.status:
        rare = _ids_with_rare(connection, wanted.status)
        if rare is not None:
            return _among(connection, rare, [*always, *_of_type(wanted.event_type)], limit)
        always.append(_has_delivery(wanted.status))
    if not wanted.event_type:
        return connection.execute(_first(always, limit)).all()
    return _by_types(connection, wanted.event_type, always, limit)


def _ids_with_rare(connection: Connection, status: str) -> list[str] | None:
    """The events with a delivery of this status; None where it isn't rare."""
    condition = _INDEXED.get(status)
    if condition is None:
        return None
    query = (
        sa.select(_DELIVERY.c.event_id)
        .where(sa.text(condition), _DELIVERY.c.status == status)
        .limit(_RARE_MAX + 1)
    )
    found = connection.execute(query).scalars().all()
    return None if len(found) > _RARE_MAX else list(set(found))


def _has_delivery(status: str) -> Condition:
    # Not EXISTS: PostgreSQL would rather read all deliveries and join them than ask for each event.
    one = (
        sa.select(sa.literal(1))
        .where(_DELIVERY.c.event_id == _EVENT.c.id, _DELIVERY.c.status == status)
        .limit(1)
    )
    return one.correlate(_EVENT).scalar_subquery().is_not(None)


def _among(
    connection: Connection, event_ids: Sequence[str], conditions: Sequence[Condition], limit: int
) -> Sequence[Row]:
    if not event_ids:
        return []
    query = sa.select(*_BRIEF).where(_EVENT.c.id.in_(event_ids), *conditions)
    # Sorted here: asked for the order, a planner might walk through all events to find it.
    by_id = sorted(connection.execute(query), key=lambda row: str(row.id))
    return sorted(by_id, key=lambda row: row.received_at, reverse=True)[:limit]


def _by_types(
    connection: Connection, pattern: str, conditions: Sequence[Condition], limit: int
) -> Sequence[Row]:
    types = _types_like(connection, pattern) if "*" in pattern else [pattern]
    if not types:
        return []
    if len(types) > _TYPES_MAX:
        return connection.execute(_first([*conditions, *_of_type(pattern)], limit)).all()
    each = [
        _first([_EVENT.c.type == name, *conditions], limit).subquery(f"of_type_{number}")
        for number, name in enumerate(types)
    ]
    together = sa.union_all(*map(sa.select, each)).subquery()
    query = sa.select(together).order_by(together.c.received_at.desc(), together.c.id).limit(limit)
    return connection.execute(query).all()


def _types_like(connection: Connection, pattern: str) -> Sequence[str]:
    """The types in the ledger that fit, found by jumping from one to the next in their index."""
    known = sa.select(sa.func.min(_EVENT.c.type).label("type")).cte("known", recursive=True)
    later = sa.select(sa.func.min(_EVENT.c.type)).where(_EVENT.c.type > known.c.type)
    known = known.union_all(
        sa.select(later.correlate(known).scalar_subquery()).where(known.c.type.is_not(None))
    )
    fits = known.c.type.like(patterns.glob(pattern), escape=patterns.ESCAPE)
    query = sa.select(known.c.type).where(fits).limit(_TYPES_MAX + 1)
    return connection.execute(query).scalars().all()


def _of_type(pattern: str | None) -> list[Condition]:
    if not pattern:
        return []
    return [patterns.fits(_EVENT.c.type, pattern)]


def _first(conditions: Sequence[Condition], limit: int) -> "sa.Select[Any]":
    return (
        sa.select(*_BRIEF)
        .where(*conditions)
        .order_by(_EVENT.c.received_at.desc(), _EVENT.c.id)
        .limit(limit)
    )
