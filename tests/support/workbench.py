"""A dispatcher with real threads, a real ledger, and a clock that the test holds."""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.events import EventId
from core.ledger import stories
from core.ledger.claims import Claim
from core.ledger.database import Database, table
from core.ledger.models import AlertRecord, DeliveryRecord
from core.queue import to_wire
from core.redaction import Redactor
from handlers.registry import Handler, Registry
from tests.support.ledgers import NOW, arrival_of, belongs_to, claim_of
from workers.dispatch import Dispatcher
from workers.intake import Intake
from workers.patience import PatientLedger
from workers.runtime import Runtime
from workers.threads import HandlerThreads

Delivery = dict[str, Any]


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)


def handler(function: Callable[..., Any], *patterns: str, **options: Any) -> Handler:
    """A handler of everything, named after its function, unless said otherwise."""
    name = options.pop("name", function.__name__)
    return Handler(name, patterns or ("*",), function, function.__module__, **options)


class Workbench:
    """One worker's dispatcher, and a look at what the ledger knows.

    Args:
        database: The ledger.
        clock: The worker's clock.
        threads: What handlers run on.
        handlers: All that this worker has.
        intake: Where this worker takes further jobs from, if at all.
        options: Further fields of `Runtime`.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        threads: HandlerThreads,
        handlers: Iterable[Handler | Callable[..., Any]],
        intake: Intake | None = None,
        **options: Any,
    ) -> None:
        self.database = database
        self.clock = clock
        self.beats = 0
        found = [h if isinstance(h, Handler) else handler(h) for h in handlers]
        chosen: dict[str, Any] = {
            "worker": "worker-1",
            "api": None,
            "redact": Redactor(),
            "handler_config": {},
            "shutdown_grace": timedelta(seconds=10),
            **options,
        }
        stopping = chosen.setdefault("stopping", threading.Event())
        self.runtime = Runtime(
            database=database,
            ledger=PatientLedger(database, stopping, chosen["shutdown_grace"]),
            registry=Registry(found),
            threads=threads,
            now=clock,
            **chosen,
        )
        self._dispatcher = Dispatcher(self.runtime, self._beat, intake)

    def _beat(self) -> None:
        self.beats += 1

    def deliver(self, *bodies: bytes) -> list[EventId]:
        """Run one job that brings these bodies, as the receiver's do; return the events' ids."""
        arrivals = [arrival_of(body, received_at=self.clock()) for body in bodies]
        self._dispatcher.run([to_wire(arrival) for arrival in arrivals])
        return [arrival.id for arrival in arrivals]

    def deliver_one(self, body: bytes) -> EventId:
        """Run one job that brings one body; return the event's id."""
        (event_id,) = self.deliver(body)
        return event_id

    def run(self, *event_ids: EventId) -> None:
        """Run one job that names these events, as the sweep's do."""
        self._dispatcher.run([{"id": event_id} for event_id in event_ids])

    def run_share(self, event_id: EventId, handler_name: str) -> None:
        """Run one job that names one delivery, as the sweep's for suspects do."""
        self._dispatcher.run([{"id": event_id, "handler": handler_name}])

    def run_when_due(self, event_id: EventId, handler_name: str) -> None:
        """Let the time of a delivery's next attempt come, and run it."""
        due = self._column(event_id, handler_name, "next_attempt_at")
        self.clock.advance((due - self.clock()).total_seconds())
        self.run(event_id)

    def story(self, event_id: EventId) -> dict[str, Any]:
        """An event's whole story."""
        story = stories.whole(self.database, event_id)
        assert story is not None, f"the ledger doesn't know {event_id}"
        return story

    def deliveries(self, event_id: EventId) -> dict[str, Delivery]:
        """An event's deliveries by handler."""
        return {delivery["handler"]: delivery for delivery in self.story(event_id)["deliveries"]}

    def delivery(self, event_id: EventId) -> Delivery:
        """An event's only delivery."""
        (delivery,) = self.deliveries(event_id).values()
        return delivery

    def statuses(self, event_id: EventId) -> dict[str, str]:
        """The status of each of an event's deliveries by handler."""
        return {name: d["status"] for name, d in self.deliveries(event_id).items()}

    def claim_of(self, event_id: EventId, handler_name: str) -> Claim:
        """The claim of a delivery's latest attempt."""
        attempts = self.deliveries(event_id)[handler_name]["attempts"]
        return claim_of(self.database, event_id, handler_name, attempts)

    def alerts(self) -> list[Mapping[str, Any]]:
        """Every alert in the ledger, by fingerprint."""
        alert = table(AlertRecord)
        with self.database.read() as connection:
            rows = connection.execute(sa.select(alert).order_by(alert.c.fingerprint))
            return [dict(row) for row in rows.mappings()]

    def lease_of(self, event_id: EventId, handler_name: str) -> datetime | None:
        """When a delivery's lease ends."""
        lease: datetime | None = self._column(event_id, handler_name, "lease_expires_at")
        return lease

    def _column(self, event_id: EventId, handler_name: str, column: str) -> Any:
        delivery = table(DeliveryRecord)
        with self.database.read() as connection:
            return connection.execute(
                sa.select(delivery.c[column]).where(
                    belongs_to(DeliveryRecord, event_id, handler_name)
                )
            ).scalar_one()
