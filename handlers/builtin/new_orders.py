"""New orders become `processing`, so that nobody has to click for each."""

from core.api import Conflict
from handlers import Context, OrderEvent, Skip, on


@on("order.new", name="builtin.new-orders", enabled=False)
def process(event: OrderEvent, ctx: Context) -> str:
    """Accept the order."""
    try:
        order = ctx.api.orders.update(event.data.id, "processing")
    except Conflict as conflict:
        raise Skip(f"the order has moved on: {conflict.message}") from None
    return f"{order.id} is {order.status}"
