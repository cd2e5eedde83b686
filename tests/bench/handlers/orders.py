"""A handler that needs the whole order and changes it; with `adjust`, its items' stock too."""

from handlers import Context, OrderEvent, on


@on("order.new", name="bench.orders")
def accept(event: OrderEvent, ctx: Context) -> str:
    """Take the order on."""
    order = ctx.api.orders.get(event.data.id)
    if "adjust" in ctx.config:
        for item in order.items:
            ctx.api.inventory.adjust(item.sku, -item.qty)
    ctx.api.orders.update(order.id, "processing")
    return f"{len(order.items)} lines for {order.total}"
