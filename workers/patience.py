"""Waiting for the ledger's database when it is away."""

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.ledger.database import Database, is_away, is_contention

log = structlog.get_logger()

Result = TypeVar("Result")

_PAUSE_SECONDS = 1.0

#: The first pause after a transaction has met another one; it doubles, up to `_PAUSE_SECONDS`.
_CONTENTION_SECONDS = 0.02

#: Said again after so long: some of what looks like "away", a full disk say, needs somebody.
_QUIET_SECONDS = 60.0

#: An answer younger than this is as good as a new one.
_FRESH_SECONDS = 1.0


class LedgerAwayError(Exception):
    """The worker has to stop, and the ledger's database has not come back in time."""


class PatientLedger:
    """Carries out transactions, however long the database is away. Thread-safe.

    Args:
        database: The ledger.
        stopping: Set when the process is to stop.
        grace: How long it is waited for the database after that.
    """

    def __init__(self, database: Database, stopping: threading.Event, grace: timedelta) -> None:
        self._database = database
        self._stopping = stopping
        self._grace_seconds = grace.total_seconds()
        self._lock = threading.Lock()
        self._is_away = False
        self._next_line = 0.0
        self._answered_at = -_FRESH_SECONDS

    def answers(self) -> bool:
        """Tell whether the database answers; it is asked only if it hasn't just answered."""
        if not self._is_away and time.monotonic() - self._answered_at < _FRESH_SECONDS:
            return True
        try:
            self._database.ping()
        except SQLAlchemyError as error:
            self._note_failure(error, next_step="taking no events until it is back")
            return False
        self._note_answer()
        return True

    def carry_out(
        self, action: Callable[[], Result], heartbeat: Callable[[], None] = lambda: None
    ) -> Result:
        """Do `action`, a whole transaction, again and again until the database carries it out.

        Args:
            action: May have taken effect although it failed: the answer to a commit can get lost.
            heartbeat: Called about every second while the database is away.

        Raises:
            LedgerAwayError: The process is stopping, and its grace is over.
        """
        stop_deadline: float | None = None
        tries = 0
        while True:
            try:
                result = action()
            except SQLAlchemyError as error:
                if not is_away(error):
                    raise
                tries += 1
                pause = self._pause_after(error, tries)
            else:
                self._note_answer()
                return result
            if self._stopping.is_set():
                stop_deadline = stop_deadline or time.monotonic() + self._grace_seconds
                if time.monotonic() > stop_deadline:
                    raise LedgerAwayError(
                        "the database did not come back before the worker had to stop"
                    )
            heartbeat()
            time.sleep(pause)

    def _pause_after(self, error: SQLAlchemyError, tries: int) -> float:
        if not is_contention(error):
            self._note_failure(error, next_step="waiting for it")
            return _PAUSE_SECONDS
        log.debug("ledger_contended", error=_brief(error), tries=tries)
        longest = min(_CONTENTION_SECONDS * 2 ** min(tries, 10), _PAUSE_SECONDS)
        return random.uniform(0, longest)  # noqa: S311 - spreads writers, guards nothing

    def _note_failure(self, error: SQLAlchemyError, next_step: str) -> None:
        with self._lock:
            is_due = time.monotonic() >= self._next_line
            self._is_away = True
            if is_due:
                self._next_line = time.monotonic() + _QUIET_SECONDS
        if is_due:
            log.error("ledger_away", error=_brief(error), next_step=next_step)

    def _note_answer(self) -> None:
        with self._lock:
            was_away, self._is_away = self._is_away, False
            self._answered_at = time.monotonic()
            self._next_line = 0.0
        if was_away:
            log.info("ledger_back")


def _brief(error: SQLAlchemyError) -> str:
    """The driver's own message: SQLAlchemy's would repeat the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip()
