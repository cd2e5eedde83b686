"""Words for what the ledger is told."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import SQLModel

from core.events import Arrival, EventId, EventRef, Source, event_id, parse
from core.ledger import claims, due, outcomes
from core.ledger.claims import Admission, Claim, Lease
from core.ledger.database import Database, table
from core.ledger.due import Due
from core.ledger.models import DeliveryStatus, EventRecord, StepRecord, StepState
from core.ledger.numbers import numbers_of
from core.ledger.outcomes import Error, Outcome
from core.ledger.shares import Share
from tests.support.deliveries import body_of

Condition = sa.ColumnElement[bool]

#: When these tests happen.
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    """A duration."""
    return timedelta(seconds=number)


def arrival_of(body: bytes | None = None, *, received_at: datetime = NOW) -> Arrival:
    """An event that has just arrived; without a body it is of a new order."""
    raw = body_of() if body is None else body
    return Arrival(event_id(raw), raw, received_at, Source.WEBHOOK)


def lease_of(worker: str = "worker-1", *, now: datetime = NOW, lasting: float = 30) -> Lease:
    """A worker's lease from `now` on."""
    return Lease(worker, now, now + seconds(lasting))


def admit(
    database: Database,
    arrivals: Iterable[Arrival],
    handlers: Sequence[str] = ("restock",),
    lease: Lease | None = None,
) -> list[Claim]:
    """Admit events in a transaction of their own."""
    admissions = [Admission(a, parse(a.raw), handlers) for a in arrivals]
    with database.write() as connection:
        return claims.admit(database, connection, admissions, lease or lease_of())


def admit_one(
    database: Database, arrival: Arrival | None = None, lease: Lease | None = None
) -> Claim:
    """Admit one event for one handler and return the claim."""
    (claim,) = admit(database, [arrival or arrival_of()], lease=lease)
    return claim


def claim(database: Database, event_ids: Collection[EventId], lease: Lease) -> list[Claim]:
    """Claim deliveries in a transaction of its own."""
    with database.write() as connection:
        return claims.claim(connection, [EventRef(event_id) for event_id in event_ids], lease)


def claim_share(database: Database, event_id: EventId, handler: str, lease: Lease) -> list[Claim]:
    """Claim a single delivery in a transaction of its own."""
    with database.write() as connection:
        return claims.claim_shares(connection, [share_of(event_id, handler)], lease)


def share_of(event_id: EventId, handler: str) -> Share:
    """A handler's share of an event of which no more than its id is known."""
    return Share(EventRef(event_id), handler)


def claim_of(database: Database, event_id: EventId, handler: str, attempt: int = 1) -> Claim:
    """The claim of an attempt that the ledger may or may not still count."""
    with database.read() as connection:
        number = numbers_of(connection, [EventRef(event_id)])[event_id]
    return Claim(number, event_id, handler, attempt, NOW)


def belongs_to(row: type[SQLModel], event_id: EventId, handler: str | None = None) -> Condition:
    """The condition that a delivery, an attempt or a step is of this event and handler."""
    columns, event = table(row).c, table(EventRecord)
    number = sa.select(event.c.number).where(event.c.id == event_id).scalar_subquery()
    is_of_event = columns.event_number == number
    return is_of_event if handler is None else sa.and_(is_of_event, columns.handler == handler)


class Taken(NamedTuple):
    """What the sweep queues, by names alone."""

    events: list[EventId]
    suspects: list[tuple[EventId, str]]


def take(database: Database, now: datetime, *, limit: int = 10) -> Taken:
    """What the sweep queues, as if a queue had taken it."""
    queued = [Due([], [])]
    due.queue(database, now, limit=limit, enqueue=queued.append)
    events, suspects = queued[-1]
    return Taken(
        [event.id for event in events], [(share.event.id, share.handler) for share in suspects]
    )


def take_lost(database: Database, now: datetime) -> list[EventId]:
    """What the sweep queues after it has looked for dead workers; the events of suspects."""
    due.release_lost(database, now, limit=1000)
    return [event_id for event_id, _ in take(database, now, limit=1000).suspects]


def leave_step_begun(database: Database, claim: Claim, name: str) -> None:
    """Leave a step as a worker leaves it that dies in the middle of it."""
    with database.write() as connection:
        connection.execute(
            database.insert(StepRecord),
            [
                {
                    "event_number": claim.event_number,
                    "handler": claim.handler,
                    "name": name,
                    "attempt": claim.attempt,
                    "state": StepState.STARTED,
                    "result": None,
                    "updated_at": NOW,
                }
            ],
        )


def end(
    database: Database,
    claim: Claim,
    status: DeliveryStatus = DeliveryStatus.SUCCEEDED,
    *,
    worker: str = "worker-1",
    due_at: datetime | None = None,
    note: str | None = None,
    error: Error | None = None,
    deferred: bool = False,
) -> None:
    """Record how one attempt ended, in a transaction of its own."""
    outcome = Outcome(
        claim=claim,
        status=status,
        started_at=NOW,
        duration_ms=12.5,
        worker=worker,
        next_attempt_at=due_at,
        note=note,
        error=error,
        deferred=deferred,
    )
    with database.write() as connection:
        outcomes.record(database, connection, [outcome])
