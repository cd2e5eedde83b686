"""What a person decides about a delivery that waits for one: do it again, or call it over."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import EventId, EventRef
from core.ledger.database import Database, table
from core.ledger.dead import Condition, Which, conditions
from core.ledger.models import DeliveryRecord, DeliveryStatus, StepRecord, StepState
from core.ledger.numbers import numbers_of
from core.ledger.outcomes import storable
from core.ledger.shares import Key, Share, belong_to, by_key, key_of

_DELIVERY = table(DeliveryRecord)
_STEP = table(StepRecord)

#: Deliveries that are replayed in one transaction.
BATCH_DELIVERIES = 500

#: What a delivery may be resolved as, and what it must be for that. A dead one had no effect.
RESOLVABLE: Mapping[DeliveryStatus, frozenset[DeliveryStatus]] = {
    DeliveryStatus.SUCCEEDED: frozenset({DeliveryStatus.UNCERTAIN}),
    DeliveryStatus.SKIPPED: frozenset({DeliveryStatus.UNCERTAIN, DeliveryStatus.DEAD}),
}


def statuses_of(database: Database, event_id: EventId) -> dict[str, DeliveryStatus]:
    """The status of each of an event's deliveries, by handler."""
    with database.read() as connection:
        numbers = numbers_of(connection, [EventRef(event_id)]).values()
        query = (
            sa.select(_DELIVERY.c.handler, _DELIVERY.c.status)
            .where(_DELIVERY.c.event_number.in_(numbers))
            .order_by(_DELIVERY.c.handler)
        )
        return {row.handler: DeliveryStatus(row.status) for row in connection.execute(query)}


def replay(
    database: Database, shares: Collection[Share], now: datetime, *, uncertain: bool = False
) -> list[Share]:
    """Have the dead among these deliveries done again, and return those.

    Each is due at once, with all its retries before it; its history stays. A dead delivery with a
    step of which nobody knows whether it took effect becomes uncertain when it runs again.

    Args:
        database: The ledger.
        shares: Which deliveries.
        now: The time.
        uncertain: Replay uncertain ones too, because somebody knows that they had no effect. Their
            steps of unknown end are forgotten, and so run again.
    """
    statuses = [DeliveryStatus.DEAD, *([DeliveryStatus.UNCERTAIN] if uncertain else [])]
    with database.write() as connection:
        known = by_key(connection, shares)
        wanted = [belong_to(_DELIVERY, known), _DELIVERY.c.status.in_(statuses)]
        query = sa.select(_DELIVERY).where(*wanted).with_for_update()
        rows = connection.execute(query).all()
        unclear = [key_of(row) for row in rows if row.status == DeliveryStatus.UNCERTAIN]
        _forget_begun_steps(connection, unclear)
        _make_due(connection, [key_of(row) for row in rows], now)
    return [known[key_of(row)] for row in rows]


def replay_dead(
    database: Database, which: Which, now: datetime, *, batch: int = BATCH_DELIVERIES
) -> Iterator[int]:
    """Have everything done again that is dead at `now`, the oldest first.

    Each batch is a transaction: who stops in the middle loses nothing. What dies anew meanwhile is
    left alone, and so is what somebody else is deciding about.

    Yields:
        How many deliveries a batch has replayed, after each batch.
    """
    dead = conditions(replace(which, status=DeliveryStatus.DEAD, until=None))
    finished_at = _DELIVERY.c.finished_at
    for place in ([finished_at.is_(None)], [finished_at <= now]):
        here = place
        while rows := _replay_batch(database, [*dead, *here], batch, now):
            yield len(rows)
            if (last := rows[-1].finished_at) is not None:
                # What is older has been replayed; the index may be full of its remains.
                here = [*place, finished_at >= last]


def _replay_batch(
    database: Database, wanted: Sequence[Condition], batch: int, now: datetime
) -> Sequence[sa.Row[Any, Any, Any]]:
    columns = (_DELIVERY.c.event_number, _DELIVERY.c.handler, _DELIVERY.c.finished_at)
    query = (
        sa.select(*columns)
        .where(*wanted)
        .order_by(_DELIVERY.c.finished_at)
        .limit(batch)
        .with_for_update(skip_locked=True)
    )
    with database.write() as connection:
        rows = connection.execute(query).all()
        _make_due(connection, [key_of(row) for row in rows], now)
    return rows


def _make_due(connection: Connection, keys: Sequence[Key], now: datetime) -> None:
    """The sweep queues what is pending and past its lease's end."""
    if not keys:
        return
    connection.execute(
        sa.update(_DELIVERY)
        .where(belong_to(_DELIVERY, keys))
        .values(
            status=DeliveryStatus.PENDING,
            forgiven_attempts=_DELIVERY.c.attempts,
            crashes=0,
            first_attempt_at=None,
            next_attempt_at=None,
            lease_expires_at=now,
            finished_at=None,
            worker=None,
            note=None,
            error=None,
        )
    )


def _forget_begun_steps(connection: Connection, keys: Sequence[Key]) -> None:
    if not keys:
        return
    begun = _STEP.c.state == StepState.STARTED
    connection.execute(sa.delete(_STEP).where(belong_to(_STEP, keys), begun))


def resolve(
    database: Database,
    share: Share,
    outcome: DeliveryStatus,
    now: datetime,
    text: str | None = None,
) -> bool:
    """Call a delivery over, as a person has decided; False if it can't be, or no longer.

    Args:
        database: The ledger.
        share: Which delivery.
        outcome: What it becomes, see `RESOLVABLE`.
        now: The time; the note tells it, and that it was decided by hand.
        text: What the person says of it.
    """
    decision = f"resolved by hand as {outcome} at {now:%Y-%m-%dT%H:%M:%SZ}"
    resolvable = _DELIVERY.c.status.in_(RESOLVABLE[outcome])
    with database.write() as connection:
        changed = connection.execute(
            sa.update(_DELIVERY)
            .where(belong_to(_DELIVERY, by_key(connection, [share])), resolvable)
            .values(
                status=outcome,
                finished_at=now,
                note=storable(f"{decision}: {text}" if text else decision),
                error=None,
            )
        )
    return changed.rowcount == 1
