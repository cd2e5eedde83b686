"""What the sweep queues: retries whose time has come, and deliveries whose worker is gone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.alerts import dead_delivery
from core.events import EventId
from core.ledger.alerts import raise_alerts
from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus, EventRecord

_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)

#: How long a queued delivery may wait for a worker before it is queued once more.
QUEUED_FOR = timedelta(minutes=5)

#: The attempt's result when its worker vanished: the only one that its worker doesn't write.
CRASHED = "crashed"

#: A delivery in which so many workers have died is dead.
MAX_CRASHES = 3

_WORKER_LOST = "WorkerLost"

Row = sa.Row[Any]


class Share(NamedTuple):
    """One handler's share of one event."""

    event_id: EventId
    handler: str


def take(database: Database, now: datetime, *, limit: int) -> list[EventId]:
    """Mark at most `limit` due deliveries as queued; return their events, each once.

    A caller that dies before it has queued them loses nothing: they become due again after
    `QUEUED_FOR`. Suspects are not among them.
    """
    due = sa.or_(_is_retry_due(now), _is_queued_for_too_long(now))
    with database.write() as connection:
        rows = _lock(connection, sa.and_(due, _DELIVERY.c.crashes == 0), limit)
        _mark_queued(connection, rows, now)
    return list(dict.fromkeys(EventId(row.event_id) for row in rows))


def take_suspects(database: Database, now: datetime, *, limit: int) -> list[Share]:
    """Mark due deliveries whose worker has died in them as queued, and return them.

    Which of a batch's handlers ended its worker can't be told. So all that were unfinished are
    suspects, and each is queued alone from then on: the innocent end well, and the one that did it
    can't take others along. One that has crashed `MAX_CRASHES` times is dead, and somebody is told.
    """
    again = sa.or_(_is_retry_due(now), _is_queued_for_too_long(now))
    due = sa.or_(_is_lease_over(now), sa.and_(again, _DELIVERY.c.crashes > 0))
    with database.write() as connection:
        rows = _lock(connection, due, limit)
        crashed = [row for row in rows if row.status == DeliveryStatus.RUNNING]
        given_up = [row for row in crashed if row.crashes + 1 >= MAX_CRASHES]
        _mark_queued(connection, [row for row in rows if row not in given_up], now)
        _count_crashes(database, connection, crashed, now)
        _give_up(database, connection, given_up, now)
    return [Share(row.event_id, row.handler) for row in rows if row not in given_up]


def _lock(connection: Connection, which: sa.ColumnElement[bool], limit: int) -> list[Row]:
    query = sa.select(_DELIVERY).where(which).limit(limit).with_for_update(skip_locked=True)
    return list(connection.execute(query))


def _is_lease_over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(sa.text("delivery.status = 'running'"), _DELIVERY.c.lease_expires_at <= now)


def _is_retry_due(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        # Literals, not parameters: only so do the planners see that the partial indexes fit.
        sa.text("delivery.status = 'retrying'"),
        _DELIVERY.c.next_attempt_at <= now,
    )


def _is_queued_for_too_long(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(sa.text("delivery.status = 'pending'"), _DELIVERY.c.lease_expires_at <= now)


def _mark_queued(connection: Connection, due: Sequence[Row], now: datetime) -> None:
    _change(
        connection,
        due,
        status=DeliveryStatus.PENDING,
        next_attempt_at=None,
        lease_expires_at=now + QUEUED_FOR,
        worker=None,
    )


def _count_crashes(
    database: Database, connection: Connection, crashed: Sequence[Row], now: datetime
) -> None:
    _change(connection, crashed, crashes=_DELIVERY.c.crashes + 1)
    if crashed:
        connection.execute(
            database.insert(AttemptRecord).on_conflict_do_nothing(),
            [_crashed_attempt(row, now) for row in crashed],
        )


def _give_up(
    database: Database, connection: Connection, given_up: Sequence[Row], now: datetime
) -> None:
    error = f"{_WORKER_LOST}: {MAX_CRASHES} workers have died in this delivery"
    _change(
        connection,
        given_up,
        status=DeliveryStatus.DEAD,
        lease_expires_at=None,
        finished_at=now,
        error=error,
    )
    types = _types(connection, given_up)
    raised = [
        dead_delivery(row.event_id, types[row.event_id], row.handler, error) for row in given_up
    ]
    raise_alerts(database, connection, raised, now)


def _types(connection: Connection, rows: Sequence[Row]) -> dict[str, str | None]:
    if not rows:
        return {}
    wanted = _EVENT.c.id.in_([row.event_id for row in rows])
    found = connection.execute(sa.select(_EVENT.c.id, _EVENT.c.type).where(wanted))
    return {row.id: row.type for row in found}


def _change(connection: Connection, rows: Sequence[Row], **values: object) -> None:
    if not rows:
        return
    keys = [(row.event_id, row.handler) for row in rows]
    those = sa.tuple_(_DELIVERY.c.event_id, _DELIVERY.c.handler).in_(keys)
    connection.execute(sa.update(_DELIVERY).where(those).values(**values))


def _crashed_attempt(row: Row, now: datetime) -> dict[str, object]:
    return {
        "event_id": row.event_id,
        "handler": row.handler,
        "number": row.attempts,
        "started_at": row.claimed_at,
        "duration_ms": None,
        "result": CRASHED,
        "error_type": _WORKER_LOST,
        "error_message": f"worker {row.worker} went silent; noticed at {now:%Y-%m-%dT%H:%M:%SZ}",
        "traceback": None,
        "worker": row.worker,
        "api_calls": [],
    }


def put_back(database: Database, event_ids: Sequence[EventId], now: datetime) -> None:
    """Make deliveries that could not be queued due again at once."""
    with database.write() as connection:
        connection.execute(
            sa.update(_DELIVERY)
            .where(
                _DELIVERY.c.event_id.in_(event_ids), _DELIVERY.c.status == DeliveryStatus.PENDING
            )
            .values(lease_expires_at=now)
        )
