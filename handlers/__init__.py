"""The plugin API: everything that the author of a handler needs.

A handler is a plain function of an event and a context::

    from handlers import Context, OrderEvent, on

    @on("order.new")
    def greet(event: OrderEvent, ctx: Context) -> str:
        return f"hello, {event.data.id}"
"""

from handlers.context import Context
from handlers.errors import Fail, Retry, Skip
from handlers.events import (
    ChannelEvent,
    Event,
    InventoryEvent,
    ListingEvent,
    OrderEvent,
    ReturnEvent,
    SyncEvent,
)
from handlers.registry import on

__all__ = [
    "ChannelEvent",
    "Context",
    "Event",
    "Fail",
    "InventoryEvent",
    "ListingEvent",
    "OrderEvent",
    "Retry",
    "ReturnEvent",
    "Skip",
    "SyncEvent",
    "on",
]
