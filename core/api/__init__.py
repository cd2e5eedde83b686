"""The EcomLinx API, typed both ways: every documented call, over one pool of connections.

``with EcomLinx(api_key) as api: print(api.inventory.get("BLUE-TEE-M").total_stock)``
"""

from core.api.book import Book, LocalBook, Occasion
from core.api.budget.waiting import LocalBudget
from core.api.calls import ApiCall, OnCall
from core.api.client import EcomLinx
from core.api.errors import (
    ApiError,
    BadRequest,
    BudgetSpent,
    Conflict,
    EcomLinxError,
    Forbidden,
    InternalError,
    NotFound,
    NotYetVisible,
    RateLimited,
    ReadOnlyPlan,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from core.api.gate import Gate, OpenGate, Permit, Priority
from core.api.inventory import InventoryStatus
from core.api.limits import Limit, Plan
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
from core.api.orders import OrderStatus, SettableOrderStatus
from core.api.products import ProductStatus, SettableProductStatus
from core.api.usage import EndpointCounts, Usage, WindowUsage

__all__ = [
    "ApiCall",
    "ApiError",
    "BadRequest",
    "Book",
    "BudgetSpent",
    "Channel",
    "ChannelStatus",
    "Conflict",
    "Customer",
    "DeletedWebhook",
    "EcomLinx",
    "EcomLinxError",
    "EndpointCounts",
    "Forbidden",
    "Gate",
    "InternalError",
    "InventoryItem",
    "InventoryList",
    "InventoryStatus",
    "InventorySummary",
    "Limit",
    "LocalBook",
    "LocalBudget",
    "Meta",
    "NotFound",
    "NotYetVisible",
    "Occasion",
    "OnCall",
    "OpenGate",
    "Order",
    "OrderItem",
    "OrderStatus",
    "OrderUpdate",
    "Page",
    "Permit",
    "Plan",
    "Priority",
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
    "Usage",
    "Webhook",
    "WindowUsage",
]
