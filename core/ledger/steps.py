"""Steps in the ledger: what a handler has done already, remembered across its attempts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.ledger.claims import Claim
from core.ledger.database import Database, table
from core.ledger.models import DeliveryRecord, DeliveryStatus, StepRecord, StepState

_DELIVERY = table(DeliveryRecord)
_STEP = table(StepRecord)


@dataclass(frozen=True, slots=True)
class Step:
    """What is known of one step; `attempt` is the one that began it."""

    state: StepState
    result: Any
    attempt: int


class LostClaimError(Exception):
    """The delivery isn't this attempt's any more: its lease ran out, or its time was up.

    Another attempt may have begun; this one must begin nothing.
    """

    def __init__(self, claim: Claim) -> None:
        super().__init__(
            f"attempt {claim.attempt} of {claim.handler} at {claim.event_id} isn't the current one"
            " any more, and begins no step"
        )


def look(database: Database, claim: Claim, name: str) -> Step | None:
    """Return what is known of a step, if anything is."""
    with database.read() as connection:
        return _known(connection, claim, name)


def begin(
    database: Database, claim: Claim, name: str, now: datetime, *, repeatable: bool = False
) -> Step | None:
    """Write down that a step begins; return what was known of it before, if anything was.

    Nothing is written where the step is repeatable: that it began is then nothing to worry about.

    Raises:
        LostClaimError: The attempt isn't the delivery's current one any more.
    """
    with database.write() as connection:
        _require_claim(connection, claim)
        if not repeatable and _insert(database, connection, claim, name, now):
            return None
        return _known(connection, claim, name)


def finish(database: Database, claim: Claim, name: str, result: Any, now: datetime) -> None:
    """Remember a step's result; it's committed when this returns."""
    insert = database.insert(StepRecord)
    done = {"state": StepState.DONE, "result": result, "updated_at": now}
    with database.write() as connection:
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["event_number", "handler", "name"], set_=done, where=_is_own(claim)
            ),
            [{**_row(claim, name, now), **done}],
        )


def forget(database: Database, claim: Claim, name: str) -> None:
    """Forget a step that is known to have had no effect, so that it can be tried again."""
    with database.write() as connection:
        connection.execute(
            sa.delete(_STEP).where(
                *_key(claim, name), _is_own(claim), _STEP.c.state == StepState.STARTED
            )
        )


def _known(connection: Connection, claim: Claim, name: str) -> Step | None:
    query = sa.select(_STEP.c.state, _STEP.c.result, _STEP.c.attempt).where(*_key(claim, name))
    row = connection.execute(query).one_or_none()
    return Step(StepState(row.state), row.result, row.attempt) if row else None


def _require_claim(connection: Connection, claim: Claim) -> None:
    query = (
        sa.select(_DELIVERY.c.event_number)
        .where(
            _DELIVERY.c.event_number == claim.event_number,
            _DELIVERY.c.handler == claim.handler,
            _DELIVERY.c.status == DeliveryStatus.RUNNING,
            _DELIVERY.c.attempts == claim.attempt,
        )
        # Nobody may take the delivery over between this look and the step's beginning.
        .with_for_update(read=True)
    )
    if connection.execute(query).one_or_none() is None:
        raise LostClaimError(claim)


def _insert(
    database: Database, connection: Connection, claim: Claim, name: str, now: datetime
) -> bool:
    """Insert a step that begins; False if there was one already."""
    statement = database.insert(StepRecord).on_conflict_do_nothing().returning(_STEP.c.name)
    return connection.execute(statement, [_row(claim, name, now)]).scalar_one_or_none() is not None


def _is_own(claim: Claim) -> sa.ColumnElement[bool]:
    return _STEP.c.attempt == claim.attempt


def _key(claim: Claim, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _STEP.c.event_number == claim.event_number,
        _STEP.c.handler == claim.handler,
        _STEP.c.name == name,
    )


def _row(claim: Claim, name: str, now: datetime) -> dict[str, object]:
    return {
        "event_number": claim.event_number,
        "handler": claim.handler,
        "name": name,
        "attempt": claim.attempt,
        "state": StepState.STARTED,
        "result": None,
        "updated_at": now,
    }
