"""One pass over the ledger: whatever is due goes into the queues."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from redis.client import Pipeline

from core.alerts import failing_jobs
from core.ledger import alerts, due
from core.ledger.alerts import raise_alerts
from core.ledger.database import Database
from core.ledger.due import Due
from core.ledger.models import AlertState
from core.queue import (
    BATCH_EVENTS,
    JobQueue,
    enqueue_alert,
    enqueue_batch,
    head_queued_at,
    to_wire_by_name,
)
from workers.recovery import Recovery
from workers.runtime import utc_now

log = structlog.get_logger()

#: A pass takes so many deliveries, and the next pass begins at once if there were as many.
_DELIVERIES_MAX = 10 * BATCH_EVENTS
_ALERTS_MAX = 100
_LOST_MAX = 10 * BATCH_EVENTS


class Sweep:
    """Queues what is due. Any number may run at once: each delivery is taken by one of them.

    Args:
        database: The ledger.
        events: The queue for deliveries.
        alerts: The queue for alerts; None where nobody is to be told, and a log line has to do.
        now: The clock.
    """

    def __init__(
        self,
        database: Database,
        events: JobQueue,
        alerts: JobQueue | None,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._events = events
        self._alerts = alerts
        self._now = now
        self._recovery = Recovery(events)

    def run(self, *, silence_counts: bool = True) -> bool:
        """Make one pass; True if there may be more to do at once.

        Args:
            silence_counts: Whether a worker that hasn't renewed its leases is taken for dead. Not
                while it may have had no ledger to renew them in.
        """
        self._restore_jobs()
        lost = (
            due.release_lost(self._database, self._now(), limit=_LOST_MAX) if silence_counts else 0
        )
        queued = self._queue_deliveries()
        self._queue_alerts()
        return lost >= _LOST_MAX or queued >= _DELIVERIES_MAX

    def run_due(self) -> bool:
        """Queue only what is due; True if there may be more to do at once."""
        return self._queue_deliveries() >= _DELIVERIES_MAX

    def seconds_until_due(self) -> float | None:
        """How long the next retry may still wait; None where nothing waits for its time."""
        due_at = due.next_retry_at(self._database)
        return None if due_at is None else (due_at - self._now()).total_seconds()

    def _restore_jobs(self) -> None:
        if failed := self._recovery.run():
            with self._database.write() as connection:
                raise_alerts(self._database, connection, [failing_jobs(failed)], self._now())

    def _queue_deliveries(self) -> int:
        return due.queue(
            self._database,
            self._now(),
            limit=_DELIVERIES_MAX,
            enqueue=self._enqueue,
            queue_delay=self._queue_delay(),
        )

    def _queue_delay(self) -> timedelta:
        """How long the job that is next in turn has waited."""
        queued_at = head_queued_at(self._events)
        return max(utc_now() - queued_at, timedelta()) if queued_at else timedelta()

    def _enqueue(self, found: Due) -> None:
        with self._transaction() as pipeline:
            for start in range(0, len(found.events), BATCH_EVENTS):
                batch = found.events[start : start + BATCH_EVENTS]
                enqueue_batch(self._events, map(to_wire_by_name, batch), pipeline)
            for share in found.suspects:
                wire = to_wire_by_name(share.event, share.handler)
                enqueue_batch(self._events, [wire], pipeline)
        for share in found.suspects:
            log.warning("delivery_suspected", event_id=share.event.id, handler=share.handler)
        log.debug("deliveries_queued", events=len(found.events), suspects=len(found.suspects))

    @contextmanager
    def _transaction(self) -> "Iterator[Pipeline]":
        with self._events.connection.pipeline(transaction=True) as pipeline:
            yield pipeline
            pipeline.execute()

    def _queue_alerts(self) -> None:
        for alert in alerts.take_due(self._database, self._now(), limit=_ALERTS_MAX):
            if self._alerts is None:
                log.warning("alert", **describe(alert))
                alerts.mark_told(self._database, alert, self._now(), AlertState.LOGGED)
                continue
            with self._alerts.connection.pipeline(transaction=True) as pipeline:
                enqueue_alert(self._alerts, alert.fingerprint, pipeline)
                pipeline.execute()


def describe(alert: alerts.DueAlert) -> dict[str, object]:
    """An alert as the fields of a log line."""
    return {
        "severity": alert.severity,
        "title": alert.title,
        "fingerprint": alert.fingerprint,
        "occurrences": alert.occurrences,
        "event_id": alert.event_id,
        "handler": alert.handler,
        "body": alert.body or None,
    }
