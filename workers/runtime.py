"""What a worker process has: built once by its main, used by every job."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.api import EcomLinx
from core.ledger.claims import Lease
from core.ledger.database import Database
from core.redaction import Redactor
from handlers.registry import Registry
from workers.patience import PatientLedger
from workers.threads import HandlerThreads

#: A worker that says nothing for so long is taken for dead, and its deliveries for lost.
LEASE = timedelta(seconds=30)

#: How often a worker says that it still works.
LEASE_RENEWAL = timedelta(seconds=8)


def utc_now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Runtime:
    """Everything that dispatching needs."""

    worker: str
    database: Database
    ledger: PatientLedger
    registry: Registry
    threads: HandlerThreads
    api: EcomLinx | None
    redact: Redactor
    handler_config: Mapping[str, str] = field(repr=False)
    shutdown_grace: timedelta
    now: Callable[[], datetime] = utc_now
    stopping: threading.Event = field(default_factory=threading.Event)

    def lease(self) -> Lease:
        """A lease from now on."""
        now = self.now()
        return Lease(self.worker, now, now + LEASE)
