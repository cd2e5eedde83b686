"""The job that Redis names: brings events and their handlers together."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from core.events import Arrival, Envelope, EventId, EventRef, Malformed, parse
from core.ledger import claims
from core.ledger.claims import Admission, Claim, Lease
from core.ledger.shares import Share
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
        arrived, stored, shares = _sorted_out(wires)
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
        # One lease for every try: what has been claimed under it is ours, whoever got the answer.
        lease = self._runtime.lease()
        find = partial(self._find_work, admissions, stored, shares, lease)
        mine, bodies = self._runtime.ledger.carry_out(find, self._heartbeat)
        events |= read_events(bodies.values())
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
        stored: list[EventRef],
        shares: list[Share],
        lease: Lease,
    ) -> Found:
        """Claim every delivery of these events that can be attempted now, in one transaction."""
        database = self._runtime.database
        with database.write() as connection:
            fresh = claims.admit(database, connection, admissions, lease)
            claimed = {claim.event_id for claim in fresh}
            seen = {a.ref for a in admissions if a.arrival.id not in claimed}
            due = claims.claim(connection, seen.union(stored), lease)
            due += claims.claim_shares(connection, shares, lease)
            arrived = {admission.arrival.id for admission in admissions}
            bodiless = {claim.event_number for claim in due if claim.event_id not in arrived}
            return [*fresh, *due], claims.load(connection, bodiless)


def _sorted_out(
    wires: Sequence[WireEvent],
) -> tuple[dict[EventId, Arrival], list[EventRef], list[Share]]:
    """What a job brings: new events, events that the ledger has, and shares of such."""
    arrived: dict[EventId, Arrival] = {}
    stored, shares = [], []
    for wire in wires:
        item = from_wire(wire)
        if isinstance(item, Arrival):
            arrived[item.id] = item
        elif "handler" in wire:
            shares.append(Share(item, wire["handler"]))
        else:
            stored.append(item)
    return arrived, stored, shares


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
