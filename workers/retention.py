"""Keeps the ledger small: deletes what is finished and old, a little at a time."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.ledger import retention
from core.ledger.database import Database
from core.ledger.retention import Position

log = structlog.get_logger()

#: From the end of one pass to the beginning of the next.
INTERVAL = timedelta(hours=1)

#: The sweep waits no longer than this, and for the end of one transaction.
_ROUND_SECONDS = 0.5

#: SQLite has one write lock: workers get theirs meanwhile.
_SQLITE_PAUSE_SECONDS = 0.05


class Retention:
    """Deletes what is finished and older than `keep`, in passes, the first at once.

    A pass goes on over as many calls of `run` as it needs.

    Args:
        database: The ledger.
        keep: How long what is finished is kept.
        now: The clock.
    """

    def __init__(self, database: Database, keep: timedelta, now: Callable[[], datetime]) -> None:
        self._database = database
        self._keep = keep
        self._now = now
        self._next_pass_at = now()
        self._pass: _Pass | None = None

    def run(self) -> None:
        """Go on with the pass, or begin one if it is time; returns within a moment.

        What goes wrong ends the pass: the next one finds what this one has left. It is no reason
        for the sweep to stop.
        """
        if self._pass is None and self._now() < self._next_pass_at:
            return
        if self._pass is None:
            self._pass = _Pass(self._database, self._now() - self._keep)
        try:
            is_over = self._pass.go_on(_ROUND_SECONDS)
        except SQLAlchemyError as error:
            log.error("retention_failed", error=type(error).__name__, next_step="later again")
            is_over = True
        if is_over:
            self._pass.report()
            self._pass = None
            self._next_pass_at = self._now() + INTERVAL


class _Pass:
    """One look at everything that is older than `cutoff`, the oldest first."""

    def __init__(self, database: Database, cutoff: datetime) -> None:
        self._database = database
        self._cutoff = cutoff
        self._position: Position | None = None
        self._events = 0
        self._deliveries = 0

    def go_on(self, seconds: float) -> bool:
        """Delete for so long; True if nothing old is left."""
        deadline = time.monotonic() + seconds
        while self._delete_events():
            if time.monotonic() > deadline:
                return False
            if self._database.is_sqlite:
                time.sleep(_SQLITE_PAUSE_SECONDS)
        retention.delete_cooldowns(self._database, self._cutoff)
        retention.delete_alerts(self._database, self._cutoff)
        return True

    def report(self) -> None:
        """Say what has been deleted, if anything has."""
        if self._events:
            log.info(
                "events_deleted",
                events=self._events,
                deliveries=self._deliveries,
                received_before=self._cutoff.isoformat(timespec="seconds"),
            )

    def _delete_events(self) -> bool:
        deleted = retention.delete_events(self._database, self._cutoff, self._position)
        self._events += deleted.events
        self._deliveries += deleted.deliveries
        self._position = deleted.end
        return deleted.end is not None
