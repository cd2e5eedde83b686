"""Cancelled orders put their stock back."""

from collections.abc import Iterable

from handlers import Context, OrderEvent, Skip, on


@on("order.cancelled", name="builtin.cancelled-orders", enabled=False)
def restock(event: OrderEvent, ctx: Context) -> str:
    """Add what was ordered to the stock again, each SKU once however often this is attempted."""
    items = event.data.items or ctx.api.orders.get(event.data.id).items
    quantities = _by_sku((item.sku, item.qty) for item in items)
    if not quantities:
        raise Skip("the order has no items")
    for sku, quantity in quantities.items():
        ctx.api.inventory.adjust(sku, quantity)
    return "put back " + ", ".join(f"{qty} x {sku}" for sku, qty in quantities.items())


def _by_sku(items: Iterable[tuple[str, int]]) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for sku, quantity in items:
        quantities[sku] = quantities.get(sku, 0) + quantity
    return quantities
