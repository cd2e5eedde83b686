"""Brings a claimed delivery and its handler together."""

from collections.abc import Callable, Iterable, Mapping

from core.events import Arrival, Envelope, EventId, parse
from core.ledger.claims import Claim
from handlers.errors import Skip
from handlers.events import Event, typed
from handlers.registry import Handler
from workers.attempt import Attempt
from workers.retry import HandlerMissingError
from workers.runtime import Runtime


def assign(runtime: Runtime, claim: Claim, event: Event) -> Attempt:
    """Return the attempt that a claim entitles us to.

    Where its handler is missing or switched off, the attempt says so when it is run.
    """
    handler = runtime.registry.get(claim.handler)
    if handler is None:
        handler = _stand_in(claim, _raise_missing)
    elif not handler.enabled:
        handler = _stand_in(claim, _skip_switched_off)
    return Attempt(runtime, claim, event, handler)


def read_events(arrivals: Iterable[Arrival]) -> Mapping[EventId, Event]:
    """Read the well-formed among events that come from the ledger."""
    parsed = ((arrival, parse(arrival.raw)) for arrival in arrivals)
    return {a.id: typed(a, envelope) for a, envelope in parsed if isinstance(envelope, Envelope)}


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
