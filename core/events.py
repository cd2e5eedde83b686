"""An event's identity, read from its raw body."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, NewType

import orjson

EventId = NewType("EventId", str)

NAME_MAX_CHARS = 200

#: The nine events that EcomLinx documents. Others are accepted too: the vendor adds names unasked.
EVENT_TYPES = (
    "order.new",
    "order.shipped",
    "order.cancelled",
    "inventory.low",
    "inventory.out",
    "return.received",
    "listing.suppressed",
    "channel.error",
    "sync.completed",
)

#: Where an event's entity is found, by family. Only `order.new` has a documented payload; for the
#: others we assume the names that the API uses for the same things, the most telling first.
_ENTITY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "order": ("id", "order_id"),
    "inventory": ("sku",),
    "return": ("id", "return_id"),
    "listing": ("product_id", "sku", "listing_id", "id"),
    "channel": ("channel", "channel_id", "id"),
    "sync": ("channel", "channel_id"),
}


class Source(StrEnum):
    """How an event came to us."""

    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    REPLAY = "replay"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every authentic, well-formed EcomLinx body holds."""

    type: str
    created_at: datetime | None
    data: Mapping[str, Any]

    @property
    def entity(self) -> str | None:
        """What the event is about, such as ``order:ord_8FZ2K``; None where the body doesn't say."""
        return entity_of(self.type, self.data)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why an authentic body is not an EcomLinx event."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """An authentic body and how it came; what it says is read by `parse`."""

    id: EventId
    raw: bytes
    received_at: datetime
    source: Source


class EventRef(NamedTuple):
    """Names an event that the ledger has.

    Attributes:
        id: Which event.
        day: The ledger's `EventRecord.day`, where it is known: with it an event is found at once,
            without it in the events of every day.
    """

    id: EventId
    day: date | None = None


def event_id(raw: bytes) -> EventId:
    """Return the id of the event whose raw body this is.

    EcomLinx sends no delivery id, so the same bytes are the same event.
    """
    return EventId("evt_" + hashlib.sha256(raw).hexdigest()[:32])


def parse(raw: bytes) -> Envelope | Malformed:
    """Read a raw body; every body that isn't an EcomLinx event answers with the reason."""
    body = _read(raw)
    if isinstance(body, Malformed):
        return body
    return Envelope(body["event"], parse_time(body.get("created_at")), body["data"])


def fault_of(raw: bytes) -> str | None:
    """Why a raw body isn't an EcomLinx event; None if it is one."""
    body = _read(raw)
    return body.reason if isinstance(body, Malformed) else None


def _read(raw: bytes) -> dict[str, Any] | Malformed:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Malformed(f"not JSON: {error}")
    if not isinstance(body, dict):
        return Malformed("not a JSON object")
    if not is_name(body.get("event")):
        return Malformed("no event name: 'event' must be a string of printable characters")
    if not isinstance(body.get("data"), dict):
        return Malformed("no data: 'data' must be an object")
    return body


def parse_time(value: object) -> datetime | None:
    """Read an ISO 8601 time as aware UTC; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def is_name(value: object) -> bool:
    """Tell whether a value can name a thing wherever names go: databases, keys, log lines."""
    return isinstance(value, str) and 0 < len(value) <= NAME_MAX_CHARS and value.isprintable()


def entity_of(event_type: str, data: Mapping[str, Any]) -> str | None:
    """Return what an event is about as ``family:id``, or None where `data` doesn't say."""
    family = event_type.partition(".")[0]
    for field in _ENTITY_FIELDS.get(family, ()):
        value = data.get(field)
        if is_name(value):
            return f"{_ENTITY_KINDS.get(field, family)}:{value}"
    return None


#: Fields that name the same entity in every family, so that its events share one order.
_ENTITY_KINDS: Mapping[str, str] = {
    "sku": "sku",
    "channel": "channel",
    "channel_id": "channel",
    "order_id": "order",
    "product_id": "product",
}
