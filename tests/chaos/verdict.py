"""Judges a run: what was lost, what was done twice, what nobody can know."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.ledger.models import DeliveryStatus
from tests.chaos.events import ChaosEvent
from tests.chaos.names import ADJUSTERS

#: An event, and one of the handlers that it is for.
Share = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the ledger says of one delivery at the end.

    Attributes:
        status: Where it stands.
        error: Why, if it went wrong.
        successes: How many of its attempts succeeded.
        is_step_done: Whether a step of it is recorded as done.
    """

    status: DeliveryStatus
    error: str | None = None
    successes: int = 0
    is_step_done: bool = False

    def died_of(self, error: str) -> bool:
        """Tell whether it is dead because of an error of this type."""
        return self.status is DeliveryStatus.DEAD and (self.error or "").startswith(error)


@dataclass(frozen=True)
class Evidence:
    """Everything that is known once a run is over.

    Attributes:
        events: What was sent.
        acked: Numbers of the events that were accepted.
        known: The ids of the events that are in the ledger.
        deliveries: The ledger's.
        effects: How often the API carried out each adjustment, by SKU and delta.
        stock_before: By SKU.
        stock_after: By SKU.
    """

    events: Sequence[ChaosEvent]
    acked: Collection[int]
    known: Collection[str]
    deliveries: Mapping[Share, Delivered]
    effects: Counter[tuple[str, int]]
    stock_before: Mapping[str, int]
    stock_after: Mapping[str, int]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something about one event, in words."""

    event_id: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `contradictions` are what no fault of the service's should bring about."""

    lost: list[Finding]
    doubled: list[Finding]
    uncertain: list[Finding]
    dead: list[Finding]
    contradictions: list[str]

    @property
    def is_good(self) -> bool:
        """Tell whether the promises were kept."""
        return not (self.lost or self.doubled or self.contradictions)


def judge(evidence: Evidence) -> Verdict:
    """Compare what the ledger says with what was accepted and with what was carried out."""
    return Verdict(
        lost=sorted(_lost(evidence)),
        doubled=sorted(_doubled(evidence)),
        uncertain=sorted(_ended(evidence, DeliveryStatus.UNCERTAIN)),
        dead=sorted(_ended(evidence, DeliveryStatus.DEAD)),
        contradictions=[*_unexplained(evidence), *_wrong_stock(evidence)],
    )


def _lost(evidence: Evidence) -> Iterator[Finding]:
    for number in evidence.acked:
        event = evidence.events[number]
        if event.id not in evidence.known:
            yield Finding(event.id, "accepted, but not in the ledger")
    for event in evidence.events:
        if event.id in evidence.known:
            yield from _lost_shares(evidence, event)


def _lost_shares(evidence: Evidence, event: ChaosEvent) -> Iterator[Finding]:
    for handler in sorted(event.handlers):
        delivery = evidence.deliveries.get((event.id, handler))
        if delivery is None:
            yield Finding(event.id, f"{handler}: no delivery")
        elif not delivery.status.is_final:
            yield Finding(event.id, f"{handler}: still {delivery.status}")
        elif delivery.status is DeliveryStatus.SKIPPED:
            yield Finding(event.id, f"{handler}: skipped, and its handler skips nothing")
        elif handler in ADJUSTERS and _is_claimed(delivery) and not _effects(evidence, event):
            yield Finding(event.id, f"{handler}: {delivery.status}, but stock was not adjusted")


def _is_claimed(delivery: Delivered) -> bool:
    """Tell whether the ledger says that stock was adjusted."""
    return delivery.status is DeliveryStatus.SUCCEEDED or delivery.is_step_done


def _doubled(evidence: Evidence) -> Iterator[Finding]:
    for event in evidence.events:
        if (times := _effects(evidence, event)) > 1:
            yield Finding(event.id, f"stock was adjusted {times} times")
    for (event_id, handler), delivery in evidence.deliveries.items():
        if delivery.successes > 1:
            yield Finding(event_id, f"{handler}: succeeded {delivery.successes} times")


def _ended(evidence: Evidence, status: DeliveryStatus) -> Iterator[Finding]:
    by_id = {str(event.id): event for event in evidence.events}
    for (event_id, handler), delivery in evidence.deliveries.items():
        if delivery.status is not status:
            continue
        error = (delivery.error or "no error").partition(":")[0]
        event = by_id.get(event_id)
        if event is None or handler not in ADJUSTERS:
            yield Finding(event_id, f"{handler}, {error}")
        else:
            yield Finding(event_id, f"{handler}, {error}, {_times(_effects(evidence, event))}")


def _times(effects: int) -> str:
    return {0: "stock not adjusted", 1: "stock adjusted once"}.get(effects, f"{effects} times")


def _unexplained(evidence: Evidence) -> Iterator[str]:
    """Effects that no event in the ledger is the reason of."""
    ours = {(event.sku, event.delta): event for event in evidence.events if event.sku}
    for sku, delta in sorted(evidence.effects):
        event = ours.get((sku, delta))
        if event is None:
            yield f"{sku} was adjusted by {delta}, which no event asked for"
        elif event.id not in evidence.known:
            yield f"{sku} was adjusted by {delta}, and the ledger doesn't know {event.id}"


def _wrong_stock(evidence: Evidence) -> Iterator[str]:
    """Stock that isn't what exactly one effect of each successful delivery gives."""
    expected = Counter(evidence.stock_before)
    for event in evidence.events:
        if event.sku is not None:
            expected[event.sku] += event.delta * _due(evidence, event)
    for sku, stock in evidence.stock_after.items():
        if stock != expected[sku]:
            yield f"stock of {sku} is {stock}, and exactly once gives {expected[sku]}"


def _due(evidence: Evidence, event: ChaosEvent) -> int:
    """How often an event's adjustment must have been carried out."""
    found = [evidence.deliveries.get((event.id, handler)) for handler in event.handlers & ADJUSTERS]
    deliveries = [delivery for delivery in found if delivery is not None]
    if any(map(_is_claimed, deliveries)):
        return 1
    # Nobody knows, and the ledger says so: once or not at all are both right.
    return min(_effects(evidence, event), 1)


def _effects(evidence: Evidence, event: ChaosEvent) -> int:
    return 0 if event.sku is None else evidence.effects[event.sku, event.delta]
