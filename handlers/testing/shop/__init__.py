"""The merchant's workspace that the local EcomLinx shows: state without network or waiting."""

from handlers.testing.shop.clock import ManualClock
from handlers.testing.shop.records import (
    ChannelStatus,
    Customer,
    Grade,
    Order,
    OrderStatus,
    Product,
    ProductStatus,
    Webhook,
)
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.shop import Shop
from handlers.testing.shop.stock import StockStatus
from handlers.testing.shop.surroundings import ShopEvent

__all__ = [
    "ChannelStatus",
    "Customer",
    "Grade",
    "ManualClock",
    "Order",
    "OrderStatus",
    "Product",
    "ProductStatus",
    "RefusedError",
    "Shop",
    "ShopEvent",
    "StockStatus",
    "Webhook",
]
