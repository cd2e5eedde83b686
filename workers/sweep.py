"""One pass over the ledger: whatever is due goes into the queues."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import redis
import structlog
from redis.client import Pipeline

from core.alerts import failing_jobs
from core.events import EventId
from core.ledger import alerts, due
from core.ledger.alerts import raise_alerts
from core.ledger.database import Database
from core.ledger.models import AlertState
from core.queue import BATCH_EVENTS, JobQueue, WireEvent, enqueue_alert, enqueue_batch
from workers.recovery import Recovery

log = structlog.get_logger()

#: A pass takes so many deliveries, and the next pass begins at once if there were as many.
_DELIVERIES_MAX = 10 * BATCH_EVENTS
_ALERTS_MAX = 100
_SUSPECTS_MAX = 200


@dataclass(frozen=True)
class Sweep:
    """Queues what is due. Any number may run at once: each delivery is taken by one of them.

    Attributes:
        database: The ledger.
        events: The queue for deliveries.
        alerts: The queue for alerts; None where nobody is to be told, and a log line has to do.
        now: The clock.
    """

    database: Database
    events: JobQueue
    alerts: JobQueue | None
    now: Callable[[], datetime]

    def run(self, *, silence_counts: bool = True) -> bool:
        """Make one pass; True if there may be more to do at once.

        Args:
            silence_counts: Whether a worker that hasn't renewed its leases is taken for dead. Not
                while it may have had no ledger to renew them in.
        """
        self._restore_jobs()
        suspects = self._queue_suspects() if silence_counts else 0
        deliveries = self._queue_deliveries()
        self._queue_alerts()
        return suspects >= _SUSPECTS_MAX or deliveries >= _DELIVERIES_MAX

    def _restore_jobs(self) -> None:
        if failed := Recovery(self.events).run():
            with self.database.write() as connection:
                raise_alerts(self.database, connection, [failing_jobs(failed)], self.now())

    def _queue_deliveries(self) -> int:
        event_ids = due.take(self.database, self.now(), limit=_DELIVERIES_MAX)
        for start in range(0, len(event_ids), BATCH_EVENTS):
            batch = event_ids[start : start + BATCH_EVENTS]
            with self._putting_back(event_ids[start:]), self._transaction() as pipeline:
                enqueue_batch(self.events, ({"id": event_id} for event_id in batch), pipeline)
        if event_ids:
            log.debug("deliveries_queued", events=len(event_ids))
        return len(event_ids)

    def _queue_suspects(self) -> int:
        shares = due.take_suspects(self.database, self.now(), limit=_SUSPECTS_MAX)
        if not shares:
            return 0
        event_ids = [share.event_id for share in shares]
        with self._putting_back(event_ids), self._transaction() as pipeline:
            for share in shares:
                wire: WireEvent = {"id": share.event_id, "handler": share.handler}
                enqueue_batch(self.events, [wire], pipeline)
                log.warning("delivery_suspected", event_id=share.event_id, handler=share.handler)
        return len(shares)

    @contextmanager
    def _putting_back(self, event_ids: Sequence[EventId]) -> Iterator[None]:
        """Make deliveries due again if Redis fails to take them."""
        try:
            yield
        except redis.RedisError:
            due.put_back(self.database, event_ids, self.now())
            raise

    @contextmanager
    def _transaction(self) -> "Iterator[Pipeline]":
        with self.events.connection.pipeline(transaction=True) as pipeline:
            yield pipeline
            pipeline.execute()

    def _queue_alerts(self) -> None:
        for alert in alerts.take_due(self.database, self.now(), limit=_ALERTS_MAX):
            if self.alerts is None:
                log.warning("alert", **describe(alert))
                alerts.mark_told(self.database, alert, self.now(), AlertState.LOGGED)
                continue
            with self.alerts.connection.pipeline(transaction=True) as pipeline:
                enqueue_alert(self.alerts, alert.fingerprint, pipeline)
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
