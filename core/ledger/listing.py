"""Which events a list shows: the newest of a type, with a status, in milliseconds among millions.

Walking through the events from the newest on is fast where most of them fit. Where hardly any do,
the walk ends at the oldest event. So types are looked up in their own index, and a status in its
own, from the latest delivery on: no event was received after its deliveries had come so far.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger import patterns
from core.ledger.database import table
from core.ledger.models import DeliveryRecord, DeliveryStatus, EventRecord

_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)
_BRIEF = [column for column in _EVENT.c if column.name != "raw"]

#: Looking at all events of a type takes milliseconds where there are no more of them.
_RARE_MAX = 5_000

#: EcomLinx has a dozen types. Should there be more, a pattern's are not looked up one by one.
_TYPES_MAX = 50

#: How far the clocks of two hosts may be apart.
_CLOCKS_DIFFER = timedelta(minutes=5)

_LEASED = ("delivery.status IN ('running', 'pending')", _DELIVERY.c.lease_expires_at)
_UNRESOLVED = ("delivery.status IN ('dead', 'uncertain')", _DELIVERY.c.finished_at)

#: The indexes of statuses: their conditions word for word, as only so does SQLite use them, and the
#: times in them. There is none for `succeeded`, which most deliveries are.
_INDEXED: "Mapping[str, tuple[str, sa.Column[datetime]]]" = {
    DeliveryStatus.RUNNING: _LEASED,
    DeliveryStatus.PENDING: _LEASED,
    DeliveryStatus.RETRYING: ("delivery.status = 'retrying'", _DELIVERY.c.next_attempt_at),
    DeliveryStatus.DEAD: _UNRESOLVED,
    DeliveryStatus.UNCERTAIN: _UNRESOLVED,
    DeliveryStatus.SKIPPED: ("delivery.status = 'skipped'", _DELIVERY.c.finished_at),
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
    types = _types_like(connection, wanted.event_type)
    if types is not None and not types:
        return []
    status = wanted.status
    if status and status in _INDEXED and not (types and _are_rare(connection, types)):
        return _by_status(connection, wanted, status, limit)
    conditions = [_EVENT.c.received_at >= wanted.since] if wanted.since else []
    if status:
        conditions.append(_has_delivery(status))
    if types and len(types) <= _TYPES_MAX:
        return _by_types(connection, types, conditions, limit)
    conditions += _of_type(wanted.event_type)
    return connection.execute(_first(conditions, limit)).all()


def _by_status(connection: Connection, wanted: Wanted, status: str, limit: int) -> Sequence[Row]:
    """Events with such a delivery, looked for from the latest delivery on."""
    received: dict[int, datetime] = {}
    best: list[datetime] = []
    with closing(connection.execute(_from_the_latest(wanted, status))) as deliveries:
        for number, received_at, reached_at in deliveries:
            if number not in received:
                received[number] = received_at
                heappush(best, received_at)
            if len(best) > limit:
                heappop(best)
            if len(best) == limit and reached_at and reached_at + _CLOCKS_DIFFER < best[0]:
                break
    among = sorted(sorted(received), key=received.__getitem__, reverse=True)[:limit]
    found = connection.execute(sa.select(*_BRIEF).where(_EVENT.c.number.in_(among)))
    by_number = {row.number: row for row in found}
    return [by_number[number] for number in among if number in by_number]


def _from_the_latest(wanted: Wanted, status: str) -> "sa.Select[Any]":
    """Deliveries of this status, when their event was received, and what they have reached."""
    condition, reached_at = _INDEXED[status]
    conditions: list[Condition | sa.TextClause] = [
        sa.text(condition),
        _DELIVERY.c.status == status,
        *_indexed_type(wanted.event_type),
    ]
    if wanted.since:
        earliest = wanted.since - _CLOCKS_DIFFER
        conditions.append(_EVENT.c.received_at >= wanted.since)
        conditions.append(sa.or_(reached_at.is_(None), reached_at >= earliest))
    return (
        sa.select(_EVENT.c.number, _EVENT.c.received_at, reached_at)
        .select_from(_DELIVERY)
        .join(_EVENT, _EVENT.c.number == _DELIVERY.c.event_number)
        .where(*conditions)
        # Older versions did not write down when a delivery became final.
        .order_by(reached_at.desc().nulls_first())
        .execution_options(stream_results=True)
    )


def _has_delivery(status: str) -> Condition:
    # Not EXISTS: PostgreSQL would rather read all deliveries and join them than ask for each event.
    one = (
        sa.select(sa.literal(1))
        .where(_DELIVERY.c.event_number == _EVENT.c.number, _DELIVERY.c.status == status)
        .limit(1)
    )
    return one.correlate(_EVENT).scalar_subquery().is_not(None)


def _by_types(
    connection: Connection, types: Sequence[str], conditions: Sequence[Condition], limit: int
) -> Sequence[Row]:
    each = [
        _first([_EVENT.c.type == name, *conditions], limit).subquery(f"of_type_{number}")
        for number, name in enumerate(types)
    ]
    together = sa.union_all(*map(sa.select, each)).subquery()
    query = sa.select(together).order_by(together.c.received_at.desc(), together.c.id).limit(limit)
    return connection.execute(query).all()


def _are_rare(connection: Connection, types: Sequence[str]) -> bool:
    some = sa.select(sa.literal(1)).where(_EVENT.c.type.in_(types)).limit(_RARE_MAX + 1)
    count = connection.execute(sa.select(sa.func.count()).select_from(some.subquery()))
    return count.scalar_one() <= _RARE_MAX


def _types_like(connection: Connection, pattern: str | None) -> Sequence[str] | None:
    """The types that fit, found by jumping from one to the next in their index; None if all do."""
    if not pattern:
        return None
    if "*" not in pattern:
        return [pattern]
    known = sa.select(sa.func.min(_EVENT.c.type).label("type")).cte("known", recursive=True)
    later = sa.select(sa.func.min(_EVENT.c.type)).where(_EVENT.c.type > known.c.type)
    known = known.union_all(
        sa.select(later.correlate(known).scalar_subquery()).where(known.c.type.is_not(None))
    )
    fits = known.c.type.like(patterns.glob(pattern), escape=patterns.ESCAPE)
    query = sa.select(known.c.type).where(fits).limit(_TYPES_MAX + 1)
    return connection.execute(query).scalars().all()


def _of_type(pattern: str | None) -> list[Condition]:
    return [patterns.fits(_EVENT.c.type, pattern)] if pattern else []


def _indexed_type(pattern: str | None) -> list[Condition]:
    """The same of deliveries, in whose indexes the type comes last."""
    event_type = _DELIVERY.c.event_type
    if not pattern:
        return []
    return [patterns.fits(event_type, pattern) if "*" in pattern else event_type == pattern]


def _first(conditions: Sequence[Condition], limit: int) -> "sa.Select[Any]":
    return (
        sa.select(*_BRIEF)
        .where(*conditions)
        .order_by(_EVENT.c.received_at.desc(), _EVENT.c.id)
        .limit(limit)
    )
