"""What became of attempts, recorded once each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from core.ledger.bulk import BulkInsert, Row
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import AttemptRecord, DeliveryRecord, DeliveryStatus


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong in an attempt."""

    type: str
    message: str
    traceback: str | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


#: The attempt's result when nothing went wrong but the API's budget was spent.
DEFERRED = "deferred"

#: So many deferrals of a delivery are written down one by one; of those that follow, fewer and
#: fewer: an overload that lasts for days must not fill the ledger.
DEFERRALS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended, and what that makes of its delivery.

    One that is `deferred` doesn't count: neither against the retries, nor does the time until the
    next attempt count to the delivery's age.
    """

    claim: Claim
    status: DeliveryStatus
    started_at: datetime
    duration_ms: float
    worker: str
    next_attempt_at: datetime | None = None
    note: str | None = None
    error: Error | None = None
    api_calls: Sequence[dict[str, Any]] = field(default=())
    deferred: bool = False

    @property
    def ended_at(self) -> datetime:
        """When the attempt ended."""
        return self.started_at + timedelta(milliseconds=self.duration_ms)

    @property
    def is_kept(self) -> bool:
        """Whether the attempt is written down: of many deferrals the 16th, 32nd, 64th ... are."""
        forgiven = self.claim.forgiven_attempts
        is_power_of_two = forgiven & (forgiven - 1) == 0
        return not self.deferred or forgiven < DEFERRALS_KEPT or is_power_of_two

    @property
    def counts_from(self) -> datetime | None:
        """From when on the delivery's age counts now; None where that doesn't change."""
        if not self.deferred or self.next_attempt_at is None:
            return None
        return self.claim.first_attempt_at + (self.next_attempt_at - self.started_at)


def record(database: Database, connection: Connection, outcomes: Sequence[Outcome]) -> set[Claim]:
    """Write how attempts ended; return those whose outcome counts.

    An outcome that comes too late, because the lease ran out and the delivery has moved on, changes
    nothing: the attempt's number no longer is the delivery's.
    """
    told = _END.execute(database, connection, [_end_row(outcome) for outcome in outcomes])
    counted = set(told)
    kept = [_attempt_row(outcome) for outcome in outcomes if outcome.is_kept]
    _ADD_ATTEMPTS.execute(database, connection, kept)
    return {outcome.claim for outcome in outcomes if outcome.claim.key in counted}


#: An upsert that only ever updates: it carries any number of rows in one statement.
_END = BulkInsert(
    DeliveryRecord,
    each=(
        "event_number",
        "handler",
        "attempts",
        "worker",
        "status",
        "next_attempt_at",
        "finished_at",
        "note",
        "error",
        "first_attempt_at",
        "forgiven_attempts",
    ),
    conflict="""ON CONFLICT (event_number, handler) DO UPDATE SET
        status = excluded.status,
        first_attempt_at = coalesce(excluded.first_attempt_at, delivery.first_attempt_at),
        forgiven_attempts = delivery.forgiven_attempts + excluded.forgiven_attempts,
        next_attempt_at = excluded.next_attempt_at,
        lease_expires_at = NULL,
        finished_at = excluded.finished_at,
        note = excluded.note,
        error = excluded.error
    WHERE delivery.status = 'running'
        AND delivery.attempts = excluded.attempts
        AND delivery.worker = excluded.worker""",
    returning=("event_number", "handler"),
)


def _end_row(outcome: Outcome) -> Row:
    claim = outcome.claim
    return (
        *claim.key,
        claim.attempt,
        outcome.worker,
        outcome.status.value,
        outcome.next_attempt_at,
        outcome.ended_at if outcome.status.is_final else None,
        outcome.note and storable(outcome.note),
        storable(str(outcome.error)) if outcome.error else None,
        outcome.counts_from,
        int(outcome.deferred),
    )


_ADD_ATTEMPTS = BulkInsert(
    AttemptRecord,
    each=(
        "event_number",
        "handler",
        "number",
        "started_at",
        "duration_ms",
        "result",
        "error_type",
        "error_message",
        "traceback",
        "worker",
        "api_calls",
    ),
    conflict="ON CONFLICT DO NOTHING",
)


def _attempt_row(outcome: Outcome) -> Row:
    claim, error = outcome.claim, outcome.error
    return (
        *claim.key,
        claim.attempt,
        outcome.started_at,
        round(outcome.duration_ms, 3),
        DEFERRED if outcome.deferred else outcome.status.value,
        error and storable(error.type),
        error and storable(error.message),
        error and error.traceback and storable(error.traceback),
        outcome.worker,
        json.dumps(list(outcome.api_calls)) if outcome.api_calls else "[]",
    )


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL refuses: NUL and lone surrogates."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
