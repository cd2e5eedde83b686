"""The EcomLinx API, typed both ways: every documented call, over one pool of connections.

``with EcomLinx(api_key) as api: print(api.inventory.get("BLUE-TEE-M").total_stock)``
"""

from core.api.calls import ApiCall, OnCall
from core.api.client import EcomLinx, Plan
from core.api.errors import (
    ApiError,
    BadRequest,
    Conflict,
    EcomLinxError,
    Forbidden,
    InternalError,
    NotFound,
    RateLimited,
    ReadOnlyPlan,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from core.api.gate import Gate
from core.api.inventory import InventoryStatus
from core.api.models import (
    Channel,
    ChannelStatus,
    Customer,
    DeletedWebhook,
    InventoryItem,
    InventoryList,
    InventorySummary,
    Meta,
    Order,
    OrderItem,
    OrderUpdate,
    Page,
    Product,
    ProductDetail,
    ProductUpdate,
    StockUpdate,
    SyncJob,
    Webhook,
)
from core.api.orders import FindOrder, OrderPages, OrderStatus, SettableOrderStatus, find_in_pages
from core.api.products import ProductStatus, SettableProductStatus

__all__ = [
    "ApiCall",
    "ApiError",
    "BadRequest",
    "Channel",
    "ChannelStatus",
    "Conflict",
    "Customer",
    "DeletedWebhook",
    "EcomLinx",
    "EcomLinxError",
    "FindOrder",
    "Forbidden",
    "Gate",
    "InternalError",
    "InventoryItem",
    "InventoryList",
    "InventoryStatus",
    "InventorySummary",
    "Meta",
    "NotFound",
    "OnCall",
    "Order",
    "OrderItem",
    "OrderPages",
    "OrderStatus",
    "OrderUpdate",
    "Page",
    "Plan",
    "Product",
    "ProductDetail",
    "ProductStatus",
    "ProductUpdate",
    "RateLimited",
    "ReadOnlyPlan",
    "SettableOrderStatus",
    "SettableProductStatus",
    "StockUpdate",
    "SyncJob",
    "Unauthorized",
    "UnexpectedResponse",
    "Unreachable",
    "Webhook",
    "find_in_pages",
]
