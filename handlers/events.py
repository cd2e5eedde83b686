"""Events as handlers see them, typed by family.

EcomLinx documents the payload of `order.new` only. The fields of the other families are assumed:
they are the names that the API uses for the same things. Unknown fields are kept, and what may be
missing is None.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from core.events import Arrival, Envelope, EventId, Source
from handlers.errors import UnexpectedPayloadError


class EventData(BaseModel):
    """The `data` of an event; fields that aren't listed are kept and read by `get`."""

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    def get(self, name: str, default: Any = None) -> Any:
        """A field by its name in the payload, listed here or not."""
        return getattr(self, name, default)


class OrderItem(EventData):
    """One line of an order."""

    sku: str
    qty: int = 1
    price: Decimal | None = None


class OrderData(EventData):
    """An order: `id`, `channel`, `total` and `status` are documented."""

    id: str
    channel: str | None = None
    status: str | None = None
    total: Decimal | None = None
    items: tuple[OrderItem, ...] = ()
    awb: str | None = None
    courier: str | None = None


class InventoryData(EventData):
    """A SKU whose stock is low or out, on one channel or in total."""

    sku: str
    channel: str | None = None
    total_stock: int | None = None
    reorder_point: int | None = None


class ReturnData(EventData):
    """A return, received and graded."""

    id: str | None = None
    order_id: str | None = None
    channel: str | None = None
    sku: str
    qty: int = 1
    grade: str | None = None
    reason: str | None = None


class ListingData(EventData):
    """A listing that a channel has suppressed."""

    product_id: str | None = None
    sku: str | None = None
    channel: str | None = None
    listing_id: str | None = None
    reason: str | None = None


class ChannelData(EventData):
    """A channel whose API connection fails."""

    channel: str = Field(validation_alias=AliasChoices("channel", "channel_id", "id"))
    code: str | None = None
    message: str | None = None


class SyncData(EventData):
    """A channel's sync that has finished."""

    sync_id: str | None = None
    channel: str | None = None
    status: str | None = None


Data = TypeVar("Data", bound=EventData)


@dataclass(frozen=True)
class Event:
    """One event, the same at every attempt.

    Attributes:
        id: ``evt_`` and 32 hex digits, made from the raw body: EcomLinx sends no id of its own.
        type: The event's name, such as ``order.new``.
        entity: What it is about, such as ``order:ord_8FZ2K``; None where the body doesn't say.
        created_at: When EcomLinx says that it happened, in UTC and to the second.
        received_at: When it reached us, in UTC.
        source: How it came to us.
        raw: The body, byte for byte.
    """

    id: EventId
    type: str
    entity: str | None
    created_at: datetime | None
    received_at: datetime
    source: Source
    raw: bytes

    @cached_property
    def data(self) -> EventData:
        """The event's payload.

        Raises:
            UnexpectedPayloadError: A field that this kind of event must have is missing or of the
                wrong type. It is a `Fail`: another attempt would read the same bytes.
        """
        return _payload(self, EventData)

    @property
    def happened_at(self) -> datetime:
        """When it happened, as far as we can tell: for putting events in order."""
        return self.created_at or self.received_at


class OrderEvent(Event):
    """`order.new`, `order.shipped`, `order.cancelled`."""

    @cached_property
    def data(self) -> OrderData:
        """The order."""
        return _payload(self, OrderData)


class InventoryEvent(Event):
    """`inventory.low`, `inventory.out`."""

    @cached_property
    def data(self) -> InventoryData:
        """The SKU and its stock."""
        return _payload(self, InventoryData)


class ReturnEvent(Event):
    """`return.received`."""

    @cached_property
    def data(self) -> ReturnData:
        """The return."""
        return _payload(self, ReturnData)


class ListingEvent(Event):
    """`listing.suppressed`."""

    @cached_property
    def data(self) -> ListingData:
        """The listing."""
        return _payload(self, ListingData)


class ChannelEvent(Event):
    """`channel.error`."""

    @cached_property
    def data(self) -> ChannelData:
        """The channel and its trouble."""
        return _payload(self, ChannelData)


class SyncEvent(Event):
    """`sync.completed`."""

    @cached_property
    def data(self) -> SyncData:
        """The sync."""
        return _payload(self, SyncData)


def _payload(event: Event, model: type[Data]) -> Data:
    try:
        # Money is exact: a float would not be.
        return model.model_validate(json.loads(event.raw, parse_float=Decimal)["data"])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UnexpectedPayloadError(f"{event.type}: data.{where}: {first['msg']}") from None
    except ValueError as error:
        raise UnexpectedPayloadError(f"{event.type}: {error}") from None


_FAMILIES: dict[str, type[Event]] = {
    "order": OrderEvent,
    "inventory": InventoryEvent,
    "return": ReturnEvent,
    "listing": ListingEvent,
    "channel": ChannelEvent,
    "sync": SyncEvent,
}


def typed(arrival: Arrival, envelope: Envelope) -> Event:
    """Build the event that handlers get; an unknown family is a plain `Event`."""
    kind = _FAMILIES.get(envelope.type.partition(".")[0], Event)
    return kind(
        id=arrival.id,
        type=envelope.type,
        entity=envelope.entity,
        created_at=envelope.created_at,
        received_at=arrival.received_at,
        source=arrival.source,
        raw=arrival.raw,
    )
