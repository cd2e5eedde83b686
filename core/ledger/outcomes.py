"""What became of attempts, recorded once each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger.claims import Claim
from core.ledger.database import Database, table
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus

_ATTEMPT = table(AttemptRecord)
_DELIVERY = table(DeliveryRecord)


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong in an attempt."""

    type: str
    message: str
    traceback: str | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended, and what that makes of its delivery."""

    claim: Claim
    status: DeliveryStatus
    started_at: datetime
    duration_ms: float
    worker: str
    next_attempt_at: datetime | None = None
    note: str | None = None
    error: Error | None = None
    api_calls: Sequence[dict[str, Any]] = field(default=())

    @property
    def ended_at(self) -> datetime:
        """When the attempt ended."""
        return self.started_at + timedelta(milliseconds=self.duration_ms)


def record(database: Database, connection: Connection, outcomes: Sequence[Outcome]) -> set[Claim]:
    """Write how attempts ended; return those whose outcome counts.

    An outcome that comes too late, because the lease ran out and the delivery has moved on, changes
    nothing: the attempt's number no longer is the delivery's.
    """
    insert = database.insert(DeliveryRecord)
    changed = {name: insert.excluded[name] for name in _CHANGED}
    still_ours = sa.and_(
        _DELIVERY.c.status == DeliveryStatus.RUNNING,
        _DELIVERY.c.attempts == insert.excluded.attempts,
        _DELIVERY.c.worker == insert.excluded.worker,
    )
    # An upsert that only ever updates: it carries any number of rows in one statement.
    changed_rows = connection.execute(
        insert.on_conflict_do_update(
            index_elements=["event_id", "handler"], set_=changed, where=still_ours
        ).returning(_DELIVERY.c.event_id, _DELIVERY.c.handler),
        [_delivery_row(outcome) for outcome in outcomes],
    )
    counted = {(row.event_id, row.handler) for row in changed_rows}
    connection.execute(
        database.insert(AttemptRecord).on_conflict_do_nothing().returning(_ATTEMPT.c.id),
        [_attempt_row(outcome) for outcome in outcomes],
    )
    return {o.claim for o in outcomes if (o.claim.event_id, o.claim.handler) in counted}


_CHANGED = ("status", "next_attempt_at", "lease_expires_at", "finished_at", "note", "error")


def _delivery_row(outcome: Outcome) -> dict[str, object]:
    return {
        "event_id": outcome.claim.event_id,
        "handler": outcome.claim.handler,
        "status": outcome.status,
        "attempts": outcome.claim.attempt,
        "first_attempt_at": outcome.claim.first_attempt_at,
        "claimed_at": outcome.started_at,
        "next_attempt_at": outcome.next_attempt_at,
        "lease_expires_at": None,
        "worker": outcome.worker,
        "crashes": 0,
        "forgiven_attempts": 0,
        "lane": None,
        "finished_at": outcome.ended_at if outcome.status.is_final else None,
        "note": outcome.note and storable(outcome.note),
        "error": storable(str(outcome.error)) if outcome.error else None,
    }


def _attempt_row(outcome: Outcome) -> dict[str, object]:
    error = outcome.error
    return {
        "event_id": outcome.claim.event_id,
        "handler": outcome.claim.handler,
        "number": outcome.claim.attempt,
        "started_at": outcome.started_at,
        "duration_ms": round(outcome.duration_ms, 3),
        "result": outcome.status,
        "error_type": error and storable(error.type),
        "error_message": error and storable(error.message),
        "traceback": error and error.traceback and storable(error.traceback),
        "worker": outcome.worker,
        "api_calls": list(outcome.api_calls),
    }


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL refuses: NUL and lone surrogates."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
