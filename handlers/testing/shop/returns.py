"""Returns: pieces of a shipped order that come back."""

from handlers.testing.shop.orders import Orders
from handlers.testing.shop.records import Grade, Order, OrderStatus
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.surroundings import Surroundings

_RETURNABLE = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.RETURN})


class Returns:
    """Receives returns and tells `return.received`; stock stays as it is."""

    def __init__(self, around: Surroundings, orders: Orders) -> None:
        self._around = around
        self._orders = orders

    def receive(
        self, order_id: str, sku: str | None, qty: int | None, grade: Grade, reason: str
    ) -> str:
        """Receive and grade pieces of one SKU; return the return's id.

        Args:
            order_id: What they were ordered with; it becomes `return`.
            sku: None for the first that is still out.
            qty: None for all that are still out.
            grade: What they are worth.
            reason: Why they came back.

        Raises:
            RefusedError: `not_found`; `conflict` where the order hasn't shipped, or has fewer.
        """
        order = self._orders.get(order_id)
        if order.status not in _RETURNABLE:
            raise RefusedError("conflict", f"Order {order_id} is {order.status}: nothing is out.")
        out = _still_out(order)
        sku = next(iter(out), "nothing") if sku is None else sku
        qty = out.get(sku, 1) if qty is None else qty
        if not 0 < qty <= out.get(sku, 0):
            raise RefusedError("conflict", f"Order {order_id} has {out.get(sku, 0)} x {sku} out.")
        order.returned[sku] = order.returned.get(sku, 0) + qty
        order.status = OrderStatus.RETURN
        order.updated_at = self._around.now()
        return self._tell(order, sku, qty, grade, reason)

    def _tell(self, order: Order, sku: str, qty: int, grade: Grade, reason: str) -> str:
        return_id = self._around.ids.new("ret")
        self._around.emit(
            "return.received",
            {
                "id": return_id,
                "order_id": order.id,
                "channel": order.channel,
                "sku": sku,
                "qty": qty,
                "grade": grade,
                "reason": reason,
            },
        )
        return return_id


def _still_out(order: Order) -> dict[str, int]:
    left = {sku: qty - order.returned.get(sku, 0) for sku, qty in order.quantities.items()}
    return {sku: qty for sku, qty in left.items() if qty > 0}
