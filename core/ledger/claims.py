"""Who works on which delivery: each is claimed by one worker, for as long as its lease lasts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import Arrival, Envelope, EventId, Malformed, Source
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus, EventRecord

_EVENT = table(EventRecord)
_DELIVERY = table(DeliveryRecord)


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to its deliveries, from `now` until `expires_at`."""

    worker: str
    now: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """An event that has arrived, and the names of the handlers that it is for."""

    arrival: Arrival
    parsed: Envelope | Malformed
    handlers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt of one delivery, ours until the lease ends.

    Attributes:
        event_id: Which event.
        handler: For which handler.
        attempt: The attempt's number, from 1 on.
        first_attempt_at: When the first attempt since the last replay, if any, was claimed.
        forgiven_attempts: Attempts before the last replay: they don't count against the retries.
    """

    event_id: EventId
    handler: str
    attempt: int
    first_attempt_at: datetime
    forgiven_attempts: int = 0


def admit(
    database: Database, connection: Connection, admissions: Sequence[Admission], lease: Lease
) -> list[Claim]:
    """Insert events that the ledger hasn't seen, and claim their deliveries.

    What the ledger has seen already is left alone, whoever is working on it.
    """
    if not admissions:
        return []
    statement = database.insert(EventRecord).on_conflict_do_nothing().returning(_EVENT.c.id)
    unique = {admission.arrival.id: admission for admission in admissions}
    # In one order everywhere: workers that admit the same events at once would deadlock otherwise.
    rows = [_event_row(unique[event_id]) for event_id in sorted(unique)]
    new = set(connection.execute(statement, rows).scalars())
    claims = [
        Claim(admission.arrival.id, handler, 1, lease.now)
        for admission in unique.values()
        if admission.arrival.id in new
        for handler in admission.handlers
    ]
    if claims:
        deliveries = [_delivery_row(claim, lease) for claim in claims]
        insert = database.insert(DeliveryRecord).returning(_DELIVERY.c.event_id)
        connection.execute(insert, deliveries)
    return claims


def claim(connection: Connection, event_ids: Collection[EventId], lease: Lease) -> list[Claim]:
    """Claim every delivery of these events that is pending, or due for another attempt.

    Those in which a worker has died are left out: they are claimed one by one, as shares.
    """
    if not event_ids:
        return []
    which = sa.and_(_DELIVERY.c.event_id.in_(event_ids), _DELIVERY.c.crashes == 0)
    return _claim(connection, which, lease)


def claim_shares(
    connection: Connection, shares: Collection[tuple[EventId, str]], lease: Lease
) -> list[Claim]:
    """Claim single deliveries, by event and handler, that are pending or due."""
    if not shares:
        return []
    which = sa.tuple_(_DELIVERY.c.event_id, _DELIVERY.c.handler).in_(list(shares))
    return _claim(connection, which, lease)


def _claim(connection: Connection, which: sa.ColumnElement[bool], lease: Lease) -> list[Claim]:
    is_due = sa.and_(
        _DELIVERY.c.status == DeliveryStatus.RETRYING, _DELIVERY.c.next_attempt_at <= lease.now
    )
    statement = (
        sa.update(_DELIVERY)
        .where(which)
        .where(sa.or_(_DELIVERY.c.status == DeliveryStatus.PENDING, is_due))
        .values(
            status=DeliveryStatus.RUNNING,
            attempts=_DELIVERY.c.attempts + 1,
            first_attempt_at=sa.func.coalesce(_DELIVERY.c.first_attempt_at, lease.now),
            claimed_at=lease.now,
            next_attempt_at=None,
            lease_expires_at=lease.expires_at,
            worker=lease.worker,
        )
        .returning(
            _DELIVERY.c.event_id,
            _DELIVERY.c.handler,
            _DELIVERY.c.attempts,
            _DELIVERY.c.first_attempt_at,
            _DELIVERY.c.forgiven_attempts,
        )
    )
    return [Claim(*row) for row in connection.execute(statement)]


def extend(database: Database, claims: Collection[Claim], lease: Lease) -> None:
    """Keep these claims until the lease's new end."""
    with database.write() as connection:
        connection.execute(
            sa.update(_DELIVERY)
            .where(_ours(claims, lease.worker))
            .values(lease_expires_at=lease.expires_at)
        )


def hand_back(database: Database, claims: Collection[Claim], lease: Lease) -> None:
    """Give up claims whose attempts haven't begun; the sweep queues them again at once."""
    with database.write() as connection:
        connection.execute(
            sa.update(_DELIVERY)
            .where(_ours(claims, lease.worker))
            .values(
                status=DeliveryStatus.PENDING,
                attempts=_DELIVERY.c.attempts - 1,
                lease_expires_at=lease.now,
                worker=None,
            )
        )


def load(connection: Connection, event_ids: Collection[EventId]) -> Mapping[EventId, Arrival]:
    """Read events from the ledger as they arrived."""
    if not event_ids:
        return {}
    rows = connection.execute(
        sa.select(_EVENT.c.id, _EVENT.c.raw, _EVENT.c.received_at, _EVENT.c.source).where(
            _EVENT.c.id.in_(event_ids)
        )
    )
    return {row.id: Arrival(row.id, row.raw, row.received_at, Source(row.source)) for row in rows}


def _ours(claims: Collection[Claim], worker: str) -> sa.ColumnElement[bool]:
    keys = [(claim.event_id, claim.handler) for claim in claims]
    return sa.and_(
        sa.tuple_(_DELIVERY.c.event_id, _DELIVERY.c.handler).in_(keys),
        _DELIVERY.c.status == DeliveryStatus.RUNNING,
        _DELIVERY.c.worker == worker,
    )


def _event_row(admission: Admission) -> dict[str, object]:
    arrival, parsed = admission.arrival, admission.parsed
    known = parsed if isinstance(parsed, Envelope) else None
    return {
        "id": arrival.id,
        "type": known and known.type,
        "entity": known and known.entity,
        "source": arrival.source,
        "created_at": known and known.created_at,
        "received_at": arrival.received_at,
        "raw": arrival.raw,
        "malformed": known is None,
    }


def _delivery_row(claim: Claim, lease: Lease) -> dict[str, object]:
    return {
        "event_id": claim.event_id,
        "handler": claim.handler,
        "status": DeliveryStatus.RUNNING,
        "attempts": claim.attempt,
        "first_attempt_at": claim.first_attempt_at,
        "claimed_at": lease.now,
        "next_attempt_at": None,
        "lease_expires_at": lease.expires_at,
        "worker": lease.worker,
        "crashes": 0,
        "forgiven_attempts": 0,
        "finished_at": None,
        "lane": None,
        "note": None,
        "error": None,
    }
