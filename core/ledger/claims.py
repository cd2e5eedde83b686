"""Who works on which delivery: each is claimed by one worker, for as long as its lease lasts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import Arrival, Envelope, EventId, Malformed, Source
from core.ledger import lanes
from core.ledger.bulk import BulkInsert, Row
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus, EventRecord
from core.ledger.shares import belong_to

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
    """An event that has arrived, and the names of the handlers that it is for.

    Attributes:
        arrival: The event as it arrived.
        parsed: What it says.
        handlers: The handlers that it is for.
        ordered: Those of them that take an entity's events one after the other.
    """

    arrival: Arrival
    parsed: Envelope | Malformed
    handlers: Sequence[str]
    ordered: Collection[str] = ()

    def lane_of(self, handler: str) -> str | None:
        """Where this handler's share has to queue up; None where it needn't."""
        if handler not in self.ordered or not isinstance(self.parsed, Envelope):
            return None
        return self.parsed.entity


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt of one delivery, ours until the lease ends.

    Attributes:
        event_id: Which event.
        handler: For which handler.
        attempt: The attempt's number, from 1 on.
        first_attempt_at: When the first attempt since the last replay, if any, was claimed, later
            by the time that the delivery was deferred for.
        forgiven_attempts: Attempts that don't count against the retries: those before the last
            replay, and those that were deferred.
        lane: Where others wait for this one to finish, if the handler is ordered.
    """

    event_id: EventId
    handler: str
    attempt: int
    first_attempt_at: datetime
    forgiven_attempts: int = 0
    lane: str | None = None


def admit(
    database: Database, connection: Connection, admissions: Sequence[Admission], lease: Lease
) -> list[Claim]:
    """Insert events that the ledger hasn't seen, and claim their deliveries.

    What the ledger has seen already is left alone, whoever is working on it. A delivery that has to
    wait for its turn in a lane is inserted, and not claimed.
    """
    if not admissions:
        return []
    unique = {admission.arrival.id: admission for admission in admissions}
    # In one order everywhere: workers that admit the same events at once would deadlock otherwise.
    rows = [_event_row(unique[event_id]) for event_id in sorted(unique)]
    new = {event_id for (event_id,) in _INSERT_EVENTS.execute(database, connection, rows)}
    shares = [
        (admission.arrival.id, handler, admission.lane_of(handler))
        for admission in unique.values()
        if admission.arrival.id in new
        for handler in admission.handlers
    ]
    free = [(event_id, handler) for event_id, handler, lane in shares if lane is None]
    queued = [share for share in shares if share[2] is not None]
    lanes.lock(database, connection, [(handler, lane) for _, handler, lane in queued if lane])
    _INSERT_CLAIMED.execute(database, connection, free, _claimed(lease))
    # Never begun, to whoever looks, until it is claimed below.
    _INSERT_WAITING.execute(
        database, connection, queued, (DeliveryStatus.PENDING.value, 0, lease.expires_at)
    )
    claims = [Claim(event_id, handler, 1, lease.now) for event_id, handler in free]
    return claims + claim_shares(connection, {(e, handler) for e, handler, _ in queued}, lease)


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
    return _claim(connection, belong_to(_DELIVERY, shares), lease)


def claim_next(
    connection: Connection, finished: Collection[tuple[str, str]], lease: Lease
) -> list[Claim]:
    """Claim what has waited in these lanes, by handler and lane, for another to finish."""
    if not finished:
        return []
    which = sa.and_(
        # The pairs alone would have SQLite read the whole table.
        _DELIVERY.c.handler.in_(sorted({handler for handler, _ in finished})),
        _DELIVERY.c.lane.in_(sorted({lane for _, lane in finished})),
        sa.tuple_(_DELIVERY.c.handler, _DELIVERY.c.lane).in_(list(finished)),
        sa.text(lanes.WAITS.format("delivery")),
        _DELIVERY.c.crashes == 0,
    )
    return _claim(connection, which, lease)


def _claim(connection: Connection, which: sa.ColumnElement[bool], lease: Lease) -> list[Claim]:
    is_due = sa.and_(
        _DELIVERY.c.status == DeliveryStatus.RETRYING, _DELIVERY.c.next_attempt_at <= lease.now
    )
    # Where the answer to a commit has been lost, the same claim is made again.
    is_claimed = sa.and_(
        _DELIVERY.c.status == DeliveryStatus.RUNNING,
        _DELIVERY.c.worker == lease.worker,
        _DELIVERY.c.claimed_at == lease.now,
    )
    statement = (
        sa.update(_DELIVERY)
        .where(which)
        .where(sa.or_(_DELIVERY.c.status == DeliveryStatus.PENDING, is_due, is_claimed))
        .where(sa.or_(_DELIVERY.c.lane.is_(None), sa.not_(lanes.is_blocked(_DELIVERY))))
        .values(
            status=DeliveryStatus.RUNNING,
            attempts=_DELIVERY.c.attempts + sa.case((is_claimed, 0), else_=1),
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
            _DELIVERY.c.lane,
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
        belong_to(_DELIVERY, keys),
        _DELIVERY.c.status == DeliveryStatus.RUNNING,
        _DELIVERY.c.worker == worker,
    )


_INSERT_EVENTS = BulkInsert(
    EventRecord,
    each=(
        "id",
        "type",
        "entity",
        "source",
        "created_at",
        "received_at",
        "raw",
        "malformed",
    ),
    conflict="ON CONFLICT DO NOTHING",
    returning=("id",),
)


def _event_row(admission: Admission) -> Row:
    arrival, parsed = admission.arrival, admission.parsed
    known = parsed if isinstance(parsed, Envelope) else None
    return (
        arrival.id,
        known and known.type,
        known and known.entity,
        arrival.source.value,
        known and known.created_at,
        arrival.received_at,
        arrival.raw,
        known is None,
    )


_INSERT_WAITING = BulkInsert(
    DeliveryRecord,
    each=("event_id", "handler", "lane"),
    shared=("status", "attempts", "lease_expires_at"),
)

_INSERT_CLAIMED = BulkInsert(
    DeliveryRecord,
    each=("event_id", "handler"),
    shared=(
        "status",
        "attempts",
        "first_attempt_at",
        "claimed_at",
        "lease_expires_at",
        "worker",
    ),
)


def _claimed(lease: Lease) -> Row:
    return (DeliveryStatus.RUNNING.value, 1, lease.now, lease.now, lease.expires_at, lease.worker)
