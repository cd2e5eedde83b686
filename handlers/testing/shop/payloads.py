"""What order events carry: only that of `order.new` is documented."""

from handlers.testing.shop.records import Order


def new_order(order: Order) -> dict[str, object]:
    """Return the data of `order.new`, with the documented fields and no other."""
    return {
        "id": order.id,
        "channel": order.channel,
        "total": order.total,
        "status": order.status,
    }


def shipped_order(order: Order) -> dict[str, object]:
    """Return the data of `order.shipped`; not documented, the names are those of the API."""
    return {**new_order(order), "awb": order.awb, "courier": order.courier}


def cancelled_order(order: Order) -> dict[str, object]:
    """Return the data of `order.cancelled`; not documented, with items so as to restock them."""
    items = [{"sku": item.sku, "qty": item.qty} for item in order.items]
    return {**new_order(order), "items": items}
