"""The job that Redis names: brings events and their handlers together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from core.events import Arrival, Envelope, EventId, Malformed, parse
from core.ledger import claims
from core.ledger.claims import Admission, Claim
from core.queue import WireEvent, from_wire
from handlers.errors import Skip
from handlers.events import Event, typed
from handlers.registry import Handler
from workers.attempt import Attempt
from workers.batch import Batch
from workers.patience import until_ledger_answers
from workers.retry import HandlerMissingError
from workers.runtime import Runtime

Found = tuple[list[Claim], Mapping[EventId, Arrival]]


class Dispatcher:
    """Runs the events of one job after another.

    Args:
        runtime: What this process has.
        heartbeat: Called at least every second while a job runs, from the job's own thread.
    """

    def __init__(self, runtime: Runtime, heartbeat: Callable[[], None]) -> None:
        self._runtime = runtime
        self._heartbeat = heartbeat

    def run(self, wires: Iterable[WireEvent]) -> None:
        """Admit what is new, claim what is due, run the handlers, record what came of it.

        Raises:
            LedgerAwayError: The database is away and the worker has to stop.
        """
        wires = list(wires)
        shares = [(EventId(wire["id"]), wire["handler"]) for wire in wires if "handler" in wire]
        known = [from_wire(wire) for wire in wires if "handler" not in wire]
        arrived = {item.id: item for item in known if isinstance(item, Arrival)}
        parsed = {event_id: parse(arrival.raw) for event_id, arrival in arrived.items()}
        events = {a.id: typed(a, e) for a, e in _well_formed(arrived.values(), parsed)}
        admissions = [
            Admission(a, parsed[a.id], self._handlers_of(events.get(a.id)))
            for a in arrived.values()
        ]
        event_ids = [item.id if isinstance(item, Arrival) else item for item in known]
        find = partial(self._find_work, admissions, event_ids, shares)
        mine, stored = until_ledger_answers(self._runtime, find, self._heartbeat)
        reread = {event_id: parse(arrival.raw) for event_id, arrival in stored.items()}
        events |= {a.id: typed(a, e) for a, e in _well_formed(stored.values(), reread)}
        attempts = [self._attempt(claim, events[claim.event_id]) for claim in mine]
        Batch(self._runtime, attempts, self._heartbeat).run()

    def _handlers_of(self, event: Event | None) -> list[str]:
        if event is None:
            return []
        return [handler.name for handler in self._runtime.registry.matching(event)]

    def _find_work(
        self,
        admissions: list[Admission],
        event_ids: list[EventId],
        shares: list[tuple[EventId, str]],
    ) -> Found:
        """Claim every delivery of these events that can be attempted now, in one transaction."""
        database, lease = self._runtime.database, self._runtime.lease()
        with database.write() as connection:
            fresh = claims.admit(database, connection, admissions, lease)
            seen = set(event_ids) - {claim.event_id for claim in fresh}
            due = claims.claim(connection, seen, lease)
            due += claims.claim_shares(connection, shares, lease)
            bodiless = {c.event_id for c in due} - {a.arrival.id for a in admissions}
            return [*fresh, *due], claims.load(connection, bodiless)

    def _attempt(self, claim: Claim, event: Event) -> Attempt:
        handler = self._runtime.registry.get(claim.handler)
        if handler is None:
            handler = _stand_in(claim, _raise_missing)
        elif not handler.enabled:
            handler = _stand_in(claim, _skip_switched_off)
        return Attempt(self._runtime, claim, event, handler)


def _well_formed(
    arrivals: Iterable[Arrival], parsed: Mapping[EventId, Envelope | Malformed]
) -> Iterator[tuple[Arrival, Envelope]]:
    for arrival in arrivals:
        if isinstance(envelope := parsed[arrival.id], Envelope):
            yield arrival, envelope


def _stand_in(claim: Claim, function: Callable[[Event, object], None]) -> Handler:
    """What runs in the place of a handler that can't."""
    return Handler(name=claim.handler, patterns=("*",), function=function, module=__name__)


def _raise_missing(_: Event, __: object) -> None:
    raise HandlerMissingError(
        "no handler of this name is installed in this worker: install it, or add its module to"
        " HANDLERS"
    )


def _skip_switched_off(_: Event, __: object) -> None:
    raise Skip("the handler is switched off")


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
