"""Steps in the ledger: what a handler has done already, remembered across its attempts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.ledger.claims import Claim
from core.ledger.database import Database, table
from core.ledger.models import StepRecord, StepState

_STEP = table(StepRecord)


@dataclass(frozen=True, slots=True)
class Step:
    """What is known of one step."""

    state: StepState
    result: Any


def begin(database: Database, claim: Claim, name: str, now: datetime) -> Step | None:
    """Write down that a step begins; return what is known of an earlier try, if there was one."""
    with database.write() as connection:
        begun = connection.execute(
            database.insert(StepRecord).on_conflict_do_nothing().returning(_STEP.c.name),
            [_row(claim, name, now)],
        ).scalar_one_or_none()
        if begun is not None:
            return None
        row = connection.execute(
            sa.select(_STEP.c.state, _STEP.c.result).where(*_key(claim, name))
        ).one()
    return Step(StepState(row.state), row.result)


def finish(database: Database, claim: Claim, name: str, result: Any, now: datetime) -> None:
    """Remember a step's result; it's committed when this returns."""
    with database.write() as connection:
        connection.execute(
            sa.update(_STEP)
            .where(*_key(claim, name))
            .values(state=StepState.DONE, result=result, updated_at=now)
        )


def forget(database: Database, claim: Claim, name: str) -> None:
    """Forget a step that is known to have had no effect, so that it can be tried again."""
    with database.write() as connection:
        connection.execute(sa.delete(_STEP).where(*_key(claim, name)))


def _key(claim: Claim, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _STEP.c.event_id == claim.event_id,
        _STEP.c.handler == claim.handler,
        _STEP.c.name == name,
    )


def _row(claim: Claim, name: str, now: datetime) -> dict[str, object]:
    return {
        "event_id": claim.event_id,
        "handler": claim.handler,
        "name": name,
        "state": StepState.STARTED,
        "result": None,
        "updated_at": now,
    }
