"""The calls about orders."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from handlers.testing.api.answers import Answer
from handlers.testing.api.call import Body, Call
from handlers.testing.shop.clock import iso
from handlers.testing.shop.records import Order, OrderStatus
from handlers.testing.shop.shop import Shop

_SETTABLE = Literal["processing", "ready", "shipped", "delivered", "cancelled"]


class OrderChanges(Body):
    """What may be changed; defaults stand for what isn't."""

    status: _SETTABLE
    awb: Annotated[str, Field(min_length=1)] = ""
    courier: Annotated[str, Field(min_length=1)] = ""


def list_orders(shop: Shop, call: Call) -> Answer:
    """``GET /v1/orders``. Not documented: we assume that `from` is about `created_at`."""
    page = call.page()
    status = call.choice("status", OrderStatus)
    channel = call.query.get("channel")
    since = call.moment("from")
    found = [
        order
        for order in shop.orders.newest_first()
        if (status is None or order.status is status)
        and (channel is None or order.channel == channel)
        and (since is None or order.created_at >= since)
    ]
    data = [_entry(order) for order in page.of(found)]
    return Answer({"data": data, "meta": page.meta(len(found))})


def update_order(shop: Shop, call: Call) -> Answer:
    """``PATCH /v1/orders/{id}``."""
    order = shop.orders.get(call.path["id"])
    changes = call.body(OrderChanges)
    shop.orders.change(
        order.id,
        OrderStatus(changes.status),
        awb=changes.awb or None,
        courier=changes.courier or None,
    )
    return Answer(
        {
            "id": order.id,
            "status": order.status,
            "awb": order.awb,
            "courier": order.courier,
            "updated_at": iso(order.updated_at),
        }
    )


def _entry(order: Order) -> Mapping[str, object]:
    return {
        "id": order.id,
        "channel": order.channel,
        "channel_order_id": order.channel_order_id,
        "status": order.status,
        "customer": {"name": order.customer.name, "city": order.customer.city},
        "items": [{"sku": item.sku, "qty": item.qty, "price": item.price} for item in order.items],
        "total": order.total,
        "awb": order.awb,
        "sla_deadline": iso(order.sla_deadline),
        "created_at": iso(order.created_at),
    }
