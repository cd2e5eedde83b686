"""Words for what the ledger is told."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from core.events import Arrival, EventId, Source, event_id, parse
from core.ledger import claims, due, outcomes
from core.ledger.claims import Admission, Claim, Lease
from core.ledger.database import Database
from core.ledger.due import Due
from core.ledger.models import DeliveryStatus, StepRecord, StepState
from core.ledger.outcomes import Error, Outcome
from tests.support.deliveries import body_of

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
        return claims.claim(connection, event_ids, lease)


def claim_share(database: Database, event_id: EventId, handler: str, lease: Lease) -> list[Claim]:
    """Claim a single delivery in a transaction of its own."""
    with database.write() as connection:
        return claims.claim_shares(connection, [(event_id, handler)], lease)


def take(database: Database, now: datetime, *, limit: int = 10) -> Due:
    """What the sweep queues, as if a queue had taken it."""
    queued = [Due([], [])]
    due.queue(database, now, limit=limit, enqueue=queued.append)
    return queued[-1]


def take_lost(database: Database, now: datetime) -> list[EventId]:
    """What the sweep queues after it has looked for dead workers; the events of suspects."""
    due.release_lost(database, now, limit=1000)
    return [share.event_id for share in take(database, now, limit=1000).suspects]


def leave_step_begun(database: Database, claim: Claim, name: str) -> None:
    """Leave a step as a worker leaves it that dies in the middle of it."""
    with database.write() as connection:
        connection.execute(
            database.insert(StepRecord),
            [
                {
                    "event_id": claim.event_id,
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
