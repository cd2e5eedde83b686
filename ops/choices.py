"""Which of an event's deliveries an operator means, or why it can't be any."""

from collections.abc import Mapping
from dataclasses import dataclass

from core import advice
from core.events import EventId, EventRef
from core.ledger.models import DeliveryStatus
from core.ledger.replays import RESOLVABLE
from core.ledger.shares import Share

Statuses = Mapping[str, DeliveryStatus]

_OVER = (DeliveryStatus.SUCCEEDED, DeliveryStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be replayed, and what has to be said about the rest."""

    shares: list[Share]
    remarks: list[str]


def to_replay(
    event_id: EventId, statuses: Statuses, *, handler: str | None, uncertain: bool
) -> Choice:
    """Choose what to replay of an event.

    Args:
        event_id: Which event.
        statuses: The status of each of its deliveries, by handler.
        handler: The only handler that is meant, if it is only one.
        uncertain: Whether uncertain deliveries are meant too.
    """
    meant = _meant(statuses, handler)
    if not meant:
        return Choice([], [_missing(event_id, statuses, handler)])
    replayable = {DeliveryStatus.DEAD, *([DeliveryStatus.UNCERTAIN] if uncertain else [])}
    shares = [
        Share(EventRef(event_id), name) for name, status in meant.items() if status in replayable
    ]
    # What is over needs no word where there is something else to do.
    told = {n: s for n, s in meant.items() if s not in replayable and not (shares and s in _OVER)}
    remarks = [f"{event_id} {name} is {_why_not(event_id, name, s)}" for name, s in told.items()]
    return Choice(shares, remarks)


def to_resolve(
    event_id: EventId, statuses: Statuses, *, handler: str | None, outcome: DeliveryStatus
) -> Share | str:
    """Choose the one delivery of an event to resolve as `outcome`, or say why there is none."""
    meant = _meant(statuses, handler)
    if not meant:
        return _missing(event_id, statuses, handler)
    fitting = [name for name, status in meant.items() if status in RESOLVABLE[outcome]]
    if len(fitting) > 1:
        options = " or ".join(f"--handler {name}" for name in fitting)
        return f"{event_id} has several that wait for a person: say which, {options}"
    if fitting:
        return Share(EventRef(event_id), fitting[0])
    return "; ".join(_unresolvable(event_id, name, status) for name, status in meant.items())


def _meant(statuses: Statuses, handler: str | None) -> Statuses:
    return {n: status for n, status in statuses.items() if handler in {None, n}}


def _missing(event_id: EventId, statuses: Statuses, handler: str | None) -> str:
    if not statuses:
        return f"{event_id} has no deliveries: no handler is for it"
    return f"{event_id} has no delivery for {handler}, only for {', '.join(statuses)}"


def _why_not(event_id: EventId, handler: str, status: DeliveryStatus) -> str:
    if status in _OVER:
        return f"{status}: nothing to replay"
    if status is DeliveryStatus.UNCERTAIN:
        return f"{status}: {advice.for_uncertain(event_id, handler)}"
    return f"{status}: it goes on by itself"


def _unresolvable(event_id: EventId, handler: str, status: DeliveryStatus) -> str:
    if status is DeliveryStatus.DEAD:
        return (
            f"{event_id} {handler} is dead, it had no success to confirm;"
            f" {advice.for_dead(event_id, handler)};"
            " where it has been dealt with otherwise: resolve it --as skipped"
        )
    return f"{event_id} {handler} is {status}: nothing to resolve"
