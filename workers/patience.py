"""Waiting for the ledger's database when it is away."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workers.runtime import Runtime

log = structlog.get_logger()

Result = TypeVar("Result")

_PAUSE_SECONDS = 1.0

#: Said again after so long: some of what looks like "away", a full disk say, needs somebody.
_QUIET_SECONDS = 60.0


class LedgerAwayError(Exception):
    """The worker has to stop, and the ledger's database has not come back in time."""


def until_ledger_answers(
    runtime: Runtime, action: Callable[[], Result], heartbeat: Callable[[], None]
) -> Result:
    """Do `action`, a whole transaction, again and again until the database carries it out.

    Raises:
        LedgerAwayError: The worker is stopping, and its grace is over.
    """
    stop_deadline: float | None = None
    next_line = 0.0
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            if time.monotonic() >= next_line:
                log.error("ledger_away", error=_brief(error), next_step="waiting for it")
                next_line = time.monotonic() + _QUIET_SECONDS
        if runtime.stopping.is_set():
            now = time.monotonic()
            stop_deadline = stop_deadline or now + runtime.shutdown_grace.total_seconds()
            if now > stop_deadline:
                raise LedgerAwayError(
                    "the database did not come back before the worker had to stop"
                )
        heartbeat()
        time.sleep(_PAUSE_SECONDS)


def _brief(error: Exception) -> str:
    """The driver's own message: SQLAlchemy's would repeat the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip()
