"""What the sweep queues: retries whose time has come, and deliveries whose worker is gone."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.alerts import Alert, dead_delivery, uncertain_delivery
from core.events import EventRef
from core.ledger.alerts import raise_alerts
from core.ledger.database import Database, table
from core.ledger.lanes import is_blocked
from core.ledger.models import (
    AttemptRecord,
    DeliveryRecord,
    DeliveryStatus,
    EventRecord,
    StepRecord,
    StepState,
)
from core.ledger.shares import Key, Share, belong_to, key_of

_DELIVERY = table(DeliveryRecord)
_EVENT = table(EventRecord)
_STEP = table(StepRecord)

#: How long a queued delivery may wait for a worker before it is queued once more.
QUEUED_FOR = timedelta(minutes=5)

#: How soon it is looked again whether a delivery may begin that waits for its turn in its lane.
LANE_RECHECK = timedelta(seconds=30)

#: The attempt's result when its worker vanished: the only one that its worker doesn't write.
CRASHED = "crashed"

#: A delivery in which so many workers have died is dead.
MAX_CRASHES = 3

_WORKER_LOST = "WorkerLost"

Row = sa.Row[Any]


class Due(NamedTuple):
    """What is to be queued: whole events, and the shares in which a worker has died before.

    Which of a batch's handlers ended its worker can't be told. So all that were unfinished are
    suspects, and each is queued alone from then on: the innocent end well, and the one that did it
    can't take others along.
    """

    events: Sequence[EventRef]
    suspects: Sequence[Share]


def release_lost(database: Database, now: datetime, *, limit: int) -> int:
    """Make at most `limit` deliveries due again whose worker has died in them; return how many.

    One that has crashed `MAX_CRASHES` times is given up, and somebody is told: it is dead, or
    uncertain where a step had begun in it.
    """
    with database.write() as connection:
        lost = _lock(connection, _is_lease_over(now), limit)
        given_up = [row for row in lost if row.crashes + 1 >= MAX_CRASHES]
        _change(
            connection,
            lost,
            status=DeliveryStatus.PENDING,
            crashes=_DELIVERY.c.crashes + 1,
            next_attempt_at=None,
            lease_expires_at=now,
            worker=None,
        )
        _write_attempts(database, connection, lost, now)
        _give_up(database, connection, given_up, now)
    return len(lost)


def queue(
    database: Database,
    now: datetime,
    *,
    limit: int,
    enqueue: Callable[[Due], None],
    queue_delay: timedelta = timedelta(),
) -> int:
    """Have at most `limit` due deliveries queued, mark them as queued, and return how many.

    Args:
        database: The ledger.
        now: The time.
        limit: At most so many deliveries.
        enqueue: Puts them into the queue. It is called before the marks are committed: should it
            fail, or should we die right after, they are still due. Queued twice does no harm.
        queue_delay: How long the job at the head of the queue has waited already. A delivery that
            is queued now is given that much longer before it is queued once more.
    """
    again_at = now + QUEUED_FOR + 2 * queue_delay
    with database.write() as connection:
        _put_off_blocked(connection, now, limit)
        rows = _lock(connection, sa.or_(_is_retry_due(now), _is_queued_for_too_long(now)), limit)
        if rows:
            _change(
                connection,
                rows,
                status=DeliveryStatus.PENDING,
                next_attempt_at=None,
                lease_expires_at=again_at,
                worker=None,
            )
            enqueue(_due(rows))
    return len(rows)


def next_retry_at(database: Database) -> datetime | None:
    """When the next retry or deferred delivery is due; None where there is none."""
    # The index's own words, and literals: only so do the planners see that it fits.
    query = sa.select(sa.func.min(_DELIVERY.c.next_attempt_at)).where(
        sa.text("delivery.status = 'retrying'")
    )
    with database.read() as connection:
        moment: datetime | None = connection.execute(query).scalar_one()
    return moment


def _due(rows: Sequence[Row]) -> Due:
    events = dict.fromkeys(EventRef(row.id, row.day) for row in rows if row.crashes == 0)
    suspects = [Share(EventRef(row.id, row.day), row.handler) for row in rows if row.crashes > 0]
    return Due(list(events), suspects)


def _put_off_blocked(connection: Connection, now: datetime, limit: int) -> None:
    """Leave deliveries alone for a while that may not begin before others have finished."""
    waiting = sa.and_(
        _is_queued_for_too_long(now), _DELIVERY.c.lane.is_not(None), is_blocked(_DELIVERY)
    )
    _change(connection, _lock(connection, waiting, limit), lease_expires_at=now + LANE_RECHECK)


def _lock(connection: Connection, which: sa.ColumnElement[bool], limit: int) -> list[Row]:
    query = (
        sa.select(_DELIVERY, _EVENT.c.id, _EVENT.c.day)
        .join(_EVENT, _EVENT.c.number == _DELIVERY.c.event_number)
        .where(which)
        .limit(limit)
        .with_for_update(of=_DELIVERY, skip_locked=True)
    )
    return list(connection.execute(query))


def _is_lease_over(now: datetime) -> sa.ColumnElement[bool]:
    return _is_past_lease(DeliveryStatus.RUNNING, now)


def _is_retry_due(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        # The index's own words, and literals: only so do the planners see that it fits.
        sa.text("delivery.status = 'retrying'"),
        _DELIVERY.c.next_attempt_at <= now,
    )


def _is_queued_for_too_long(now: datetime) -> sa.ColumnElement[bool]:
    return _is_past_lease(DeliveryStatus.PENDING, now)


def _is_past_lease(status: DeliveryStatus, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        sa.text("delivery.status IN ('running', 'pending')"),
        _DELIVERY.c.status == status,
        _DELIVERY.c.lease_expires_at <= now,
    )


def _write_attempts(
    database: Database, connection: Connection, lost: Sequence[Row], now: datetime
) -> None:
    if lost:
        connection.execute(
            database.insert(AttemptRecord).on_conflict_do_nothing(),
            [_crashed_attempt(row, now) for row in lost],
        )


def _give_up(
    database: Database, connection: Connection, given_up: Sequence[Row], now: datetime
) -> None:
    if not given_up:
        return
    begun = _with_begun_steps(connection, given_up)
    doubtful = [row for row in given_up if key_of(row) in begun]
    certain = [row for row in given_up if row not in doubtful]
    error = f"{_WORKER_LOST}: {MAX_CRASHES} workers have died in this delivery"
    doubt = f"{error}, and whether a step in it took effect is unknown"
    for rows, status, reason in (
        (certain, DeliveryStatus.DEAD, error),
        (doubtful, DeliveryStatus.UNCERTAIN, doubt),
    ):
        _change(
            connection,
            rows,
            status=status,
            lease_expires_at=None,
            finished_at=now,
            error=reason,
        )
    raised: list[Alert] = [
        dead_delivery(row.id, row.event_type, row.handler, error) for row in certain
    ]
    raised += [uncertain_delivery(row.id, row.event_type, row.handler, doubt) for row in doubtful]
    raise_alerts(database, connection, raised, now)


def _with_begun_steps(connection: Connection, rows: Sequence[Row]) -> set[Key]:
    """The deliveries in which a step began that has not ended."""
    query = sa.select(_STEP.c.event_number, _STEP.c.handler).where(
        belong_to(_STEP, [key_of(row) for row in rows]),
        _STEP.c.state == StepState.STARTED,
    )
    return {key_of(row) for row in connection.execute(query)}


def _change(connection: Connection, rows: Sequence[Row], **values: object) -> None:
    if not rows:
        return
    those = belong_to(_DELIVERY, [key_of(row) for row in rows])
    connection.execute(sa.update(_DELIVERY).where(those).values(**values))


def _crashed_attempt(row: Row, now: datetime) -> dict[str, object]:
    return {
        "event_number": row.event_number,
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
