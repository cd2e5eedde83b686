"""A local EcomLinx for development and tests: the documented API over HTTP, with real state.

EcomLinx documents no sandbox, so this is one: the twelve calls with their errors, limits and
paging, and the nine events, signed and sent to webhooks. Where the documentation is silent, the
docstrings say what is assumed::

    from handlers.testing import LocalEcomLinx

    with LocalEcomLinx() as ecomlinx:
        print(ecomlinx.url, ecomlinx.api_key)
        ecomlinx.shop.place_order("amazon_in", {"BLUE-TEE-M": 1})

``python -m handlers.testing --help`` runs it as a process.
"""

from handlers.testing.api.faults import Faults
from handlers.testing.api.limits import Plan, Window
from handlers.testing.api.requests import ApiRequest
from handlers.testing.app import create_app
from handlers.testing.deliveries import Delivery
from handlers.testing.server import LocalEcomLinx
from handlers.testing.shop import (
    ChannelStatus,
    Customer,
    Grade,
    ManualClock,
    Order,
    OrderStatus,
    Product,
    ProductStatus,
    RefusedError,
    Shop,
    ShopEvent,
    StockStatus,
    Webhook,
)

__all__ = [
    "ApiRequest",
    "ChannelStatus",
    "Customer",
    "Delivery",
    "Faults",
    "Grade",
    "LocalEcomLinx",
    "ManualClock",
    "Order",
    "OrderStatus",
    "Plan",
    "Product",
    "ProductStatus",
    "RefusedError",
    "Shop",
    "ShopEvent",
    "StockStatus",
    "Webhook",
    "Window",
    "create_app",
]
