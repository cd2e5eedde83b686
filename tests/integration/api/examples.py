"""The answers that EcomLinx's documentation shows, and a key."""

from typing import Any

KEY = "test-key-1234"

PRODUCT: dict[str, Any] = {
    "id": "prod_01HX4",
    "sku": "BLUE-TEE-M",
    "name": "Premium Cotton T-Shirt – Blue / M",  # noqa: RUF001
    "status": "live",
    "price": 899,
    "stock": 143,
    "health_score": 87,
    "channels": ["amazon_in", "flipkart", "shopify"],
    "updated_at": "2026-04-17T08:22:11Z",
}

PRODUCTS: dict[str, Any] = {"data": [PRODUCT], "meta": {"total": 248, "page": 1, "limit": 20}}

PRODUCT_DETAIL: dict[str, Any] = {
    "id": "prod_01HX4",
    "sku": "BLUE-TEE-M",
    "name": "Premium Cotton T-Shirt – Blue / M",  # noqa: RUF001
    "category": "Apparel > T-Shirts",
    "price": 899,
    "stock": 143,
    "cogs": 280,
    "health_score": 87,
    "channel_statuses": {
        "amazon_in": {"status": "live", "listing_id": "B0CXXXX"},
        "flipkart": {"status": "live", "listing_id": "FK123456"},
        "meesho": {"status": "suppressed", "reason": "Missing HSN code"},
    },
    "images": ["https://cdn.example.com/img1.jpg"],
    "updated_at": "2026-04-17T08:22:11Z",
}

PRODUCT_UPDATE: dict[str, Any] = {
    "id": "prod_01HX4",
    "name": "Premium Cotton T-Shirt – Blue / M",  # noqa: RUF001
    "price": 950,
    "stock": 143,
    "updated_at": "2026-04-17T09:01:44Z",
}

INVENTORY: dict[str, Any] = {
    "data": [
        {
            "sku": "BLUE-TEE-M",
            "total_stock": 143,
            "status": "healthy",
            "velocity": 4.2,
            "restock_days": 34,
            "allocations": {"amazon_in": 60, "flipkart": 50, "shopify": 33},
        }
    ],
    "summary": {"total_units": 4821, "critical_skus": 3, "out_of_stock": 1},
}

STOCK_UPDATE: dict[str, Any] = {
    "sku": "BLUE-TEE-M",
    "total_stock": 160,
    "allocations": {"amazon_in": 70, "flipkart": 60, "shopify": 30},
    "updated_at": "2026-04-17T09:15:00Z",
}

ORDER: dict[str, Any] = {
    "id": "ord_8FZ2K",
    "channel": "amazon_in",
    "channel_order_id": "402-1234567-1234567",
    "status": "processing",
    "customer": {"name": "Priya Sharma", "city": "Mumbai"},
    "items": [{"sku": "BLUE-TEE-M", "qty": 1, "price": 899}],
    "total": 899,
    "awb": None,
    "sla_deadline": "2026-04-18T10:00:00Z",
    "created_at": "2026-04-17T07:45:00Z",
}

ORDERS: dict[str, Any] = {"data": [ORDER], "meta": {"total": 312, "page": 1, "limit": 20}}

ORDER_UPDATE: dict[str, Any] = {
    "id": "ord_8FZ2K",
    "status": "shipped",
    "awb": "161234567890",
    "courier": "Delhivery",
    "updated_at": "2026-04-17T11:30:00Z",
}

CHANNELS: dict[str, Any] = {
    "data": [
        {
            "id": "amazon_in",
            "name": "Amazon India",
            "status": "active",
            "last_synced": "2026-04-17T08:20:00Z",
            "orders_today": 7,
            "active_listings": 142,
        }
    ]
}

SYNC_JOB: dict[str, Any] = {
    "sync_id": "sync_4XP9W",
    "channel": "amazon_in",
    "status": "queued",
    "estimated_seconds": 12,
    "created_at": "2026-04-17T09:00:00Z",
}

WEBHOOK: dict[str, Any] = {
    "id": "wh_7KL3M",
    "url": "https://yourapp.com/hooks/ecomlinx",
    "events": ["order.new", "inventory.low", "return.received"],
    "status": "active",
    "created_at": "2026-03-01T00:00:00Z",
}

WEBHOOKS: dict[str, Any] = {"data": [WEBHOOK]}

REGISTERED: dict[str, Any] = {**WEBHOOK, "secret": "test-webhook-secret"}

DELETED: dict[str, Any] = {"deleted": True, "id": "wh_7KL3M"}
