"""The events of a run, made from its seed: the same seed makes the same events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import orjson

from core.events import EventId, event_id
from handlers.testing import Shop
from receiver.app import WEBHOOK_PATH
from tests.chaos.names import BARE, NOTE, STEP, TROUBLE
from tests.support.deliveries import signed
from tests.support.raw_http import request

#: What each event's type brings about, besides the note that every event gets.
HANDLER_OF_TYPE = {"inventory.low": STEP, "inventory.out": BARE, "return.received": TROUBLE}

#: Types that only get the note; the last is none that EcomLinx documents.
_PLAIN_TYPES = ("order.new", "order.shipped", "sync.completed", "price.changed")

#: Of a thousand events, so many adjust stock, half of them in a step, and so many raise at first.
_ADJUSTS = 80
_RAISES = 5

#: Each holds its worker's batch for a while, so there are few, however many events there are.
_SLEEPERS_MAX = 40

#: Without more, bodies are as long as those of real orders.
ORDINARY_PADDING = 300


@dataclass(frozen=True, slots=True)
class ChaosEvent:
    """One event to be sent.

    Attributes:
        id: What the receiver must answer.
        handlers: Whose deliveries it must have in the end.
        sku: Whose stock it adjusts; None where it adjusts none.
        delta: By how much. No two events have the same, so that an effect tells its event.
        request: The signed request, byte for byte.
    """

    id: EventId
    handlers: frozenset[str]
    request: bytes
    sku: str | None = None
    delta: int = 0


def make_events(
    count: int, *, seed: int, suicides: int, padding: int = ORDINARY_PADDING
) -> list[ChaosEvent]:
    """Make the events of a run.

    Args:
        count: How many.
        seed: Other numbers make other events.
        suicides: So many have a handler that kills its own process at the first attempt.
        padding: Bytes of each body that say nothing.
    """
    chance = Random(seed)  # noqa: S311 - a run has to be repeatable
    skus = [product.sku for product in Shop(history_days=0).products.all()]
    moods = dict.fromkeys(chance.sample(range(count), min(suicides, count)), "kill")
    sleepers = min(_SLEEPERS_MAX, 1 + count // 2000)
    moods |= dict.fromkeys(chance.sample(range(count), sleepers), "sleep")
    return [
        _event(seed, number, padding, *_draw(number, chance, skus, moods.get(number)))
        for number in range(count)
    ]


def _draw(
    number: int, chance: Random, skus: Sequence[str], mood: str | None
) -> tuple[str, dict[str, object]]:
    """Choose an event's type and data."""
    lot = chance.randrange(1000)
    sku = chance.choice(skus)
    if mood is not None or lot < _RAISES:
        return "return.received", {"id": f"ret_{number}", "sku": sku, "mood": mood or "raise"}
    if lot < _RAISES + _ADJUSTS:
        kind = ("inventory.low", "inventory.out")[lot % 2]
        return kind, {"sku": sku, "delta": number + 1}
    kind = chance.choice(_PLAIN_TYPES)
    return kind, {"id": f"{kind}_{number}", "total": number / 4}


def _event(seed: int, number: int, padding: int, kind: str, data: dict[str, object]) -> ChaosEvent:
    created_at = "2026-03-01T09:30:00Z"
    data = {**data, "padding": "x" * padding}
    content = {"event": kind, "created_at": created_at, "run": seed, "number": number, "data": data}
    body = orjson.dumps(content)
    handlers = frozenset(_handlers_of(kind))
    wire = request("POST", WEBHOOK_PATH, signed(body), body)
    if "delta" not in data:
        return ChaosEvent(event_id(body), handlers, wire)
    return ChaosEvent(event_id(body), handlers, wire, str(data["sku"]), number + 1)


def _handlers_of(kind: str) -> Iterator[str]:
    yield NOTE
    if kind in HANDLER_OF_TYPE:
        yield HANDLER_OF_TYPE[kind]
