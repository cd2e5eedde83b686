"""The job that Redis names: brings events and their handlers together."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from core.events import Arrival, Envelope, EventId, Malformed, parse
from core.ledger import claims
from core.ledger.claims import Admission, Claim, Lease
from core.queue import WireEvent, from_wire
from handlers.events import Event, typed
from workers.assignment import assign, read_events
from workers.attempt import Attempt
from workers.batch import Batch
from workers.intake import Intake
from workers.runtime import Runtime

log = structlog.get_logger()

Found = tuple[list[Claim], Mapping[EventId, Arrival]]


class Dispatcher:
    """Runs the events of jobs.

    Args:
        runtime: What this process has.
        heartbeat: Called at least every second while a job runs, from the job's own thread.
        intake: Where further jobs come from while one runs.
    """

    def __init__(
        self, runtime: Runtime, heartbeat: Callable[[], None], intake: Intake | None = None
    ) -> None:
        self._runtime = runtime
        self._heartbeat = heartbeat
        self._intake = intake

    def run(self, wires: Sequence[WireEvent]) -> None:
        """Admit what is new, claim what is due, run the handlers, record what came of it.

        Raises:
            LedgerAwayError: The database is away and the worker has to stop.
        """
        attempts = self._find(wires)
        # In the hands of a delivery in which a worker has died, others would die with it.
        is_suspect = any("handler" in wire for wire in wires)
        take = None if self._intake is None or is_suspect else partial(self._take, self._intake)
        if self._intake is not None:
            self._intake.rest()
        Batch(self._runtime, attempts, self._heartbeat, take).run()

    def _take(self, intake: Intake, room: int) -> list[Attempt]:
        """Take further jobs along; return what may be attempted of them."""
        jobs = intake.take(room)
        if not jobs:
            return []
        try:
            attempts = self._find([wire for job in jobs for wire in job.args[0]])
        except Exception:
            # Alone, each fails or works by itself, and RQ counts its tries.
            intake.give_back(jobs)
            log.exception("jobs_not_taken_along", jobs=len(jobs))
            return []
        intake.forget(jobs)
        return attempts

    def _find(self, wires: Sequence[WireEvent]) -> list[Attempt]:
        shares = [(EventId(wire["id"]), wire["handler"]) for wire in wires if "handler" in wire]
        known = [from_wire(wire) for wire in wires if "handler" not in wire]
        arrived = {item.id: item for item in known if isinstance(item, Arrival)}
        parsed = {event_id: parse(arrival.raw) for event_id, arrival in arrived.items()}
        events = {
            event_id: typed(arrived[event_id], envelope)
            for event_id, envelope in parsed.items()
            if isinstance(envelope, Envelope)
        }
        admissions = [
            self._admission(arrival, parsed[event_id], events.get(event_id))
            for event_id, arrival in arrived.items()
        ]
        event_ids = [item.id if isinstance(item, Arrival) else item for item in known]
        # One lease for every try: what has been claimed under it is ours, whoever got the answer.
        lease = self._runtime.lease()
        find = partial(self._find_work, admissions, event_ids, shares, lease)
        mine, stored = self._runtime.ledger.carry_out(find, self._heartbeat)
        events |= read_events(stored.values())
        return [assign(self._runtime, claim, events[claim.event_id]) for claim in mine]

    def _admission(
        self, arrival: Arrival, parsed: Envelope | Malformed, event: Event | None
    ) -> Admission:
        handlers = self._runtime.registry.matching(event) if event else []
        return Admission(
            arrival,
            parsed,
            handlers=[handler.name for handler in handlers],
            ordered={handler.name for handler in handlers if handler.ordered},
        )

    def _find_work(
        self,
        admissions: list[Admission],
        event_ids: list[EventId],
        shares: list[tuple[EventId, str]],
        lease: Lease,
    ) -> Found:
        """Claim every delivery of these events that can be attempted now, in one transaction."""
        database = self._runtime.database
        with database.write() as connection:
            fresh = claims.admit(database, connection, admissions, lease)
            seen = set(event_ids) - {claim.event_id for claim in fresh}
            due = claims.claim(connection, seen, lease)
            due += claims.claim_shares(connection, shares, lease)
            bodiless = {c.event_id for c in due} - {a.arrival.id for a in admissions}
            return [*fresh, *due], claims.load(connection, bodiless)


_dispatcher: Dispatcher | None = None


def bind(dispatcher: Dispatcher) -> None:
    """Say what `dispatch` runs on; once in a process, before its first job."""
    global _dispatcher  # noqa: PLW0603 - RQ calls a function by its name, and passes JSON only
    _dispatcher = dispatcher


def dispatch(events: list[WireEvent]) -> None:
    """Run one job.

    Raises:
        RuntimeError: This process isn't one of our workers.
    """
    if _dispatcher is None:
        raise RuntimeError("run jobs with `ecomlinx-hooks worker`: a plain RQ worker has no ledger")
    _dispatcher.run(events)
