"""The orders of all channels."""

from bisect import insort
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from handlers.testing.shop.inventory import Inventory
from handlers.testing.shop.payloads import cancelled_order, new_order, shipped_order
from handlers.testing.shop.people import channel_order_id
from handlers.testing.shop.products import Products
from handlers.testing.shop.records import Customer, Order, OrderItem, OrderStatus
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.surroundings import Surroundings

#: So many orders are kept; then the oldest is forgotten, or days of traffic would fill the memory.
ORDERS_MAX = 50_000

_FINAL = frozenset({OrderStatus.DELIVERED, OrderStatus.CANCELLED, OrderStatus.RETURN})
_AFTER_SHIPPED = frozenset({OrderStatus.DELIVERED, OrderStatus.CANCELLED})
_PAYLOADS = {
    OrderStatus.SHIPPED: ("order.shipped", shipped_order),
    OrderStatus.CANCELLED: ("order.cancelled", cancelled_order),
}


def may_become(old: OrderStatus, new: OrderStatus) -> bool:
    """Tell whether an order may change its status so.

    Not documented. We assume that setting the same status again is no conflict, that an order which
    is delivered, cancelled or returned stays so, and that what has shipped can't be unshipped.
    """
    if old is new:
        return True
    return old not in _FINAL and (old is not OrderStatus.SHIPPED or new in _AFTER_SHIPPED)


class Orders:
    """All orders, by time."""

    def __init__(self, around: Surroundings, products: Products, inventory: Inventory) -> None:
        self._around = around
        self._products = products
        self._inventory = inventory
        self._orders: list[Order] = []
        self._by_id: dict[str, Order] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def newest_first(self) -> Iterator[Order]:
        """Walk through all orders."""
        return reversed(self._orders)

    def latest(self, count: int) -> list[Order]:
        """Return so many orders, the newest first."""
        return self._orders[: -count - 1 : -1]

    def get(self, order_id: str) -> Order:
        """Return an order.

        Raises:
            RefusedError: `not_found`.
        """
        if order_id not in self._by_id:
            raise RefusedError("not_found", f"Order {order_id} does not exist.")
        return self._by_id[order_id]

    def count_since(self, moment: datetime, channel: str) -> int:
        """Count a channel's orders from a moment on."""
        count = 0
        for order in self.newest_first():
            if order.created_at < moment:
                break
            count += order.channel == channel
        return count

    def place(self, channel: str, quantities: Mapping[str, int], customer: Customer) -> Order:
        """Sell, and tell `order.new`, then what follows for the stock.

        Raises:
            RefusedError: `conflict` where the channel's share is smaller than that.
        """
        self._inventory.require(channel, quantities)
        order = self.make(channel, quantities, customer, self._around.now())
        self.add(order)
        self._around.emit("order.new", new_order(order))
        self._inventory.take(channel, quantities)
        return order

    def make(
        self, channel: str, quantities: Mapping[str, int], customer: Customer, at: datetime
    ) -> Order:
        """Return a new order at today's prices that is in no list yet."""
        items = tuple(
            OrderItem(sku, qty, self._products.by_sku(sku).price) for sku, qty in quantities.items()
        )
        next_day = (at + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
        return Order(
            id=self._around.ids.new("ord"),
            channel=channel,
            channel_order_id=channel_order_id(self._around.chance, channel),
            customer=customer,
            items=items,
            status=OrderStatus.NEW,
            created_at=at,
            updated_at=at,
            sla_deadline=next_day,
        )

    def add(self, order: Order) -> None:
        """Put an order where its time is, without an event and without a change of stock."""
        insort(self._orders, order, key=attrgetter("created_at"))
        self._by_id[order.id] = order
        if len(self._orders) > ORDERS_MAX:
            del self._by_id[self._orders.pop(0).id]

    def change(
        self,
        order_id: str,
        status: OrderStatus,
        awb: str | None = None,
        courier: str | None = None,
    ) -> Order:
        """Set status and, where given, tracking details; tell what is to be told of it.

        Stock doesn't come back when an order is cancelled: not documented, so that is for whoever
        hears of it to do.

        Raises:
            RefusedError: `not_found`, or `conflict` where the status can't follow.
        """
        order = self.get(order_id)
        before = order.status
        if not may_become(before, status):
            raise RefusedError("conflict", f"Order {order_id} is {before}, not to be {status}.")
        order.status = status
        order.awb = order.awb if awb is None else awb
        order.courier = order.courier if courier is None else courier
        order.updated_at = self._around.now()
        if before is not status and status in _PAYLOADS:
            name, payload = _PAYLOADS[status]
            self._around.emit(name, payload(order))
        return order
