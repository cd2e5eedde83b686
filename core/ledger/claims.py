"""Who works on which delivery: each is claimed by one worker, for as long as its lease lasts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.events import Arrival, Envelope, EventId, EventRef, Malformed, Source
from core.ledger import lanes
from core.ledger.bulk import BulkInsert, Row
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus, EventRecord
from core.ledger.numbers import day_of, ids_of, numbers_of
from core.ledger.shares import Key, Share, belong_to, by_key

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

    @property
    def type(self) -> str | None:
        """The event's type; None where it is malformed."""
        return self.parsed.type if isinstance(self.parsed, Envelope) else None

    @property
    def ref(self) -> EventRef:
        """What the ledger finds it by."""
        return EventRef(self.arrival.id, day_of(self.parsed))

    def lane_of(self, handler: str) -> str | None:
        """Where this handler's share has to queue up; None where it needn't."""
        if handler not in self.ordered or not isinstance(self.parsed, Envelope):
            return None
        return self.parsed.entity


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt of one delivery, ours until the lease ends.

    Attributes:
        event_number: Which event, by its number in the ledger.
        event_id: Which event, by its id.
        handler: For which handler.
        attempt: The attempt's number, from 1 on.
        first_attempt_at: When the first attempt since the last replay, if any, was claimed, later
            by the time that the delivery was deferred for.
        forgiven_attempts: Attempts that don't count against the retries: those before the last
            replay, and those that were deferred.
        lane: Where others wait for this one to finish, if the handler is ordered.
    """

    event_number: int
    event_id: EventId
    handler: str
    attempt: int
    first_attempt_at: datetime
    forgiven_attempts: int = 0
    lane: str | None = None

    @property
    def key(self) -> Key:
        """What identifies the delivery in the ledger."""
        return self.event_number, self.handler


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
    rows = [_event_row(admission) for admission in sorted(unique.values(), key=_place)]
    new = {
        event_id: number for number, event_id in _INSERT_EVENTS.execute(database, connection, rows)
    }
    ids = {number: event_id for event_id, number in new.items()}
    shares = [
        (new[admission.arrival.id], handler, admission.type, admission.lane_of(handler))
        for admission in unique.values()
        if admission.arrival.id in new
        for handler in admission.handlers
    ]
    free = [share[:3] for share in shares if share[3] is None]
    queued = [share for share in shares if share[3] is not None]
    lanes.lock(database, connection, [(handler, lane) for _, handler, _, lane in queued if lane])
    _INSERT_CLAIMED.execute(database, connection, free, _claimed(lease))
    # Never begun, to whoever looks, until it is claimed below.
    _INSERT_WAITING.execute(
        database, connection, queued, (DeliveryStatus.PENDING.value, 0, lease.expires_at)
    )
    claims = [Claim(number, ids[number], handler, 1, lease.now) for number, handler, _ in free]
    waiting = {(number, handler) for number, handler, *_ in queued}
    return claims + _claim_keys(connection, waiting, lease)


def claim(connection: Connection, events: Collection[EventRef], lease: Lease) -> list[Claim]:
    """Claim every delivery of these events that is pending, or due for another attempt.

    Those in which a worker has died are left out: they are claimed one by one, as shares.
    """
    numbers = numbers_of(connection, events).values()
    if not numbers:
        return []
    which = sa.and_(_DELIVERY.c.event_number.in_(sorted(numbers)), _DELIVERY.c.crashes == 0)
    return _claim(connection, which, lease)


def claim_shares(connection: Connection, shares: Collection[Share], lease: Lease) -> list[Claim]:
    """Claim single deliveries that are pending or due."""
    return _claim_keys(connection, by_key(connection, shares), lease)


def _claim_keys(connection: Connection, keys: Collection[Key], lease: Lease) -> list[Claim]:
    return _claim(connection, belong_to(_DELIVERY, keys), lease) if keys else []


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
            _DELIVERY.c.event_number,
            _DELIVERY.c.handler,
            _DELIVERY.c.attempts,
            _DELIVERY.c.first_attempt_at,
            _DELIVERY.c.forgiven_attempts,
            _DELIVERY.c.lane,
        )
    )
    rows = connection.execute(statement).all()
    ids = ids_of(connection, (row.event_number for row in rows))
    return [Claim(row.event_number, ids[row.event_number], *row[1:]) for row in rows]


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


def load(connection: Connection, numbers: Collection[int]) -> Mapping[EventId, Arrival]:
    """Read events, named by their numbers, from the ledger as they arrived."""
    if not numbers:
        return {}
    rows = connection.execute(
        sa.select(_EVENT.c.id, _EVENT.c.raw, _EVENT.c.received_at, _EVENT.c.source).where(
            _EVENT.c.number.in_(sorted(numbers))
        )
    )
    return {row.id: Arrival(row.id, row.raw, row.received_at, Source(row.source)) for row in rows}


def _ours(claims: Collection[Claim], worker: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        belong_to(_DELIVERY, [claim.key for claim in claims]),
        _DELIVERY.c.status == DeliveryStatus.RUNNING,
        _DELIVERY.c.worker == worker,
    )


_INSERT_EVENTS = BulkInsert(
    EventRecord,
    each=(
        "id",
        "day",
        "type",
        "entity",
        "source",
        "created_at",
        "received_at",
        "raw",
        "malformed",
    ),
    conflict="ON CONFLICT DO NOTHING",
    returning=("number", "id"),
)


def _place(admission: Admission) -> tuple[date, EventId]:
    return day_of(admission.parsed), admission.arrival.id


def _event_row(admission: Admission) -> Row:
    arrival, parsed = admission.arrival, admission.parsed
    known = parsed if isinstance(parsed, Envelope) else None
    return (
        arrival.id,
        day_of(parsed),
        admission.type,
        known and known.entity,
        arrival.source.value,
        known and known.created_at,
        arrival.received_at,
        arrival.raw,
        known is None,
    )


_INSERT_WAITING = BulkInsert(
    DeliveryRecord,
    each=("event_number", "handler", "event_type", "lane"),
    shared=("status", "attempts", "lease_expires_at"),
)

_INSERT_CLAIMED = BulkInsert(
    DeliveryRecord,
    each=("event_number", "handler", "event_type"),
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
