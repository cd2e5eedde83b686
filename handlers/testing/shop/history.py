"""The orders of the past weeks, which were there before anybody listened."""

import random
from datetime import datetime, timedelta

from handlers.testing.shop.catalogue import DOCUMENTED_ORDER
from handlers.testing.shop.orders import Orders
from handlers.testing.shop.people import COURIERS, awb, customer
from handlers.testing.shop.products import Products
from handlers.testing.shop.records import Customer, Order, OrderItem, OrderStatus, Product
from handlers.testing.shop.surroundings import Surroundings

_ORDERS_A_DAY = 15

#: How orders stand by their age: up to so many days, these, at random.
_BY_AGE = (
    (0.4, (OrderStatus.NEW, OrderStatus.PROCESSING)),
    (1.2, (OrderStatus.PROCESSING, OrderStatus.READY, OrderStatus.SHIPPED)),
    (4.0, (OrderStatus.SHIPPED, OrderStatus.SHIPPED, OrderStatus.DELIVERED)),
    (
        float("inf"),
        (*[OrderStatus.DELIVERED] * 16, *[OrderStatus.CANCELLED] * 2, OrderStatus.RETURN),
    ),
)
_WITH_COURIER = {OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.RETURN}


def fill(around: Surroundings, products: Products, orders: Orders, days: float) -> None:
    """Add the orders of the last `days`; stock is what is left after them. 0 adds none."""
    if days <= 0:
        return
    sold = [product for product in products.all() if product.live_channels and product.velocity]
    for _ in range(round(days * _ORDERS_A_DAY)):
        orders.add(_past_order(around, sold, orders, days))
    orders.add(_documented(around.now()))


def _past_order(around: Surroundings, sold: list[Product], orders: Orders, days: float) -> Order:
    chance = around.chance
    age_days = chance.uniform(0.01, days)
    product = chance.choices(sold, [product.velocity for product in sold])[0]
    channel = chance.choice(product.live_channels)
    qty = chance.choices((1, 2, 3), (16, 3, 1))[0]
    at = around.now() - timedelta(days=age_days)
    order = orders.make(channel, {product.sku: qty}, customer(chance), at)
    _age(order, age_days, chance)
    return order


def _age(order: Order, age_days: float, chance: random.Random) -> None:
    statuses = next(statuses for days, statuses in _BY_AGE if age_days <= days)
    order.status = chance.choice(statuses)
    order.updated_at = order.created_at + timedelta(days=age_days * chance.random())
    if order.status in _WITH_COURIER:
        order.awb, order.courier = awb(chance), chance.choice(COURIERS)
    if order.status is OrderStatus.RETURN:
        order.returned = dict(order.quantities)


def _documented(now: datetime) -> Order:
    """The order that the documentation shows."""
    created_at = now - timedelta(hours=2)
    return Order(
        id=DOCUMENTED_ORDER,
        channel="amazon_in",
        channel_order_id="402-1234567-1234567",
        customer=Customer("Priya Sharma", "Mumbai"),
        items=(OrderItem("BLUE-TEE-M", 1, 899),),
        status=OrderStatus.PROCESSING,
        created_at=created_at,
        updated_at=created_at,
        sla_deadline=created_at + timedelta(days=1),
    )
