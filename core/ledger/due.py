"""What the sweep queues: retries whose time has come, and deliveries whose worker is gone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import EventId
from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus

_DELIVERY = table(DeliveryRecord)

#: How long a queued delivery may wait for a worker before it is queued once more.
QUEUED_FOR = timedelta(minutes=5)

#: The attempt's result when its worker vanished: the only one that no handler can cause.
CRASHED = "crashed"

Row = sa.Row[Any]


def take(database: Database, now: datetime, *, limit: int) -> list[EventId]:
    """Mark at most `limit` due deliveries as queued; return their events, each once.

    A caller that dies before it has queued them loses nothing: they become due again after
    `QUEUED_FOR`. An attempt whose worker's lease ran out is written down as crashed.
    """
    with database.write() as connection:
        due = connection.execute(
            sa.select(_DELIVERY)
            .where(sa.or_(_is_retry_due(now), _is_lease_over(now)))
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        if not due:
            return []
        _mark_queued(connection, due, now)
        crashed = [row for row in due if row.status == DeliveryStatus.RUNNING]
        if crashed:
            connection.execute(
                database.insert(AttemptRecord).on_conflict_do_nothing(),
                [_crashed_attempt(row, now) for row in crashed],
            )
    return list(dict.fromkeys(EventId(row.event_id) for row in due))


def _is_retry_due(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        # Literals, not parameters: only so do the planners see that the partial indexes fit.
        sa.text("delivery.status = 'retrying'"),
        _DELIVERY.c.next_attempt_at <= now,
    )


def _is_lease_over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        sa.text("delivery.status IN ('running', 'pending')"), _DELIVERY.c.lease_expires_at <= now
    )


def _mark_queued(connection: Connection, due: Sequence[Row], now: datetime) -> None:
    keys = [(row.event_id, row.handler) for row in due]
    connection.execute(
        sa.update(_DELIVERY)
        .where(sa.tuple_(_DELIVERY.c.event_id, _DELIVERY.c.handler).in_(keys))
        .values(
            status=DeliveryStatus.PENDING,
            next_attempt_at=None,
            lease_expires_at=now + QUEUED_FOR,
            worker=None,
        )
    )


def _crashed_attempt(row: Row, now: datetime) -> dict[str, object]:
    return {
        "event_id": row.event_id,
        "handler": row.handler,
        "number": row.attempts,
        "started_at": row.claimed_at,
        "duration_ms": None,
        "result": CRASHED,
        "error_type": "WorkerLost",
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
