"""Collects what the ledger knows at the end of a run."""

from collections import Counter
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger.database import Database, table
from core.ledger.due import CRASHED
from core.ledger.models import (
    AttemptRecord,
    DeliveryRecord,
    DeliveryStatus,
    EventRecord,
    StepRecord,
    StepState,
)
from tests.chaos.recovery import Crash
from tests.chaos.verdict import Delivered, Share

_ATTEMPT = table(AttemptRecord)
_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)
_STEP = table(StepRecord)


def known_events(database: Database) -> set[str]:
    """The ids of all events in the ledger."""
    with database.read() as connection:
        return set(connection.execute(sa.select(_EVENT.c.id)).scalars())


def deliveries(database: Database) -> dict[Share, Delivered]:
    """Every delivery, with how often it succeeded."""
    with database.read() as connection:
        successes, done = _successes(connection), _done_steps(connection)
        rows = connection.execute(
            sa.select(
                _EVENT.c.id.label("event_id"),
                _DELIVERY.c.handler,
                _DELIVERY.c.status,
                _DELIVERY.c.error,
            ).join(_EVENT, _EVENT.c.number == _DELIVERY.c.event_number)
        )
        return {
            (row.event_id, row.handler): Delivered(
                status=DeliveryStatus(row.status),
                error=row.error,
                successes=successes[row.event_id, row.handler],
                is_step_done=(row.event_id, row.handler) in done,
            )
            for row in rows
        }


def _successes(connection: Connection) -> Counter[Share]:
    key = (_EVENT.c.id, _ATTEMPT.c.handler)
    rows = connection.execute(
        sa.select(*key, sa.func.count())
        .join_from(_ATTEMPT, _EVENT, _EVENT.c.number == _ATTEMPT.c.event_number)
        .where(_ATTEMPT.c.result == DeliveryStatus.SUCCEEDED)
        .group_by(*key)
    )
    return Counter({(event_id, handler): count for event_id, handler, count in rows})


def _done_steps(connection: Connection) -> set[Share]:
    rows = connection.execute(
        sa.select(_EVENT.c.id, _STEP.c.handler)
        .join(_EVENT, _EVENT.c.number == _STEP.c.event_number)
        .where(_STEP.c.state == StepState.DONE)
    )
    return {(event_id, handler) for event_id, handler in rows}


def crashes(database: Database) -> list[Crash]:
    """Every attempt whose worker died in it, with the beginning of the attempt that followed."""
    following = _ATTEMPT.alias("following")
    query = (
        sa.select(
            _EVENT.c.id.label("event_id"),
            _ATTEMPT.c.handler,
            _ATTEMPT.c.worker,
            following.c.started_at.label("again_at"),
        )
        .join_from(_ATTEMPT, _EVENT, _EVENT.c.number == _ATTEMPT.c.event_number)
        .join(
            following,
            sa.and_(
                following.c.event_number == _ATTEMPT.c.event_number,
                following.c.handler == _ATTEMPT.c.handler,
                following.c.number == _ATTEMPT.c.number + 1,
            ),
        )
        .where(_ATTEMPT.c.result == CRASHED)
    )
    with database.read() as connection:
        return [
            Crash(row.event_id, row.handler, row.worker, _timestamp(row.again_at))
            for row in connection.execute(query)
        ]


def longest_wait(database: Database) -> float:
    """The longest time from an event's arrival to a handler's first attempt, in seconds."""
    query = (
        sa.select(_EVENT.c.received_at, _DELIVERY.c.first_attempt_at)
        .join(_DELIVERY, _DELIVERY.c.event_number == _EVENT.c.number)
        .where(_DELIVERY.c.first_attempt_at.is_not(None))
    )
    with database.read() as connection:
        rows = connection.execute(query)
        return max((_timestamp(row[1]) - _timestamp(row[0]) for row in rows), default=0.0)


def _timestamp(moment: datetime) -> float:
    # SQLite keeps no zone; all times in the ledger are UTC.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
