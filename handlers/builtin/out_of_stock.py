"""A product that is sold out becomes a draft, so that no channel sells what isn't there."""

from handlers import Context, InventoryEvent, Skip, on


@on("inventory.out", name="builtin.out-of-stock", enabled=False)
def withdraw(event: InventoryEvent, ctx: Context) -> str:
    """Draft the product, unless only one channel's share is used up."""
    sku = event.data.sku
    product = next((p for p in ctx.api.products.iterate(q=sku) if p.sku == sku), None)
    if product is None:
        raise Skip(f"no product has the SKU {sku}")
    if product.stock:
        raise Skip(f"{product.stock} x {sku} are left on other channels")
    if product.status == "draft":
        raise Skip(f"{product.id} is a draft already")
    ctx.api.products.update(product.id, status="draft")
    return f"{product.id} is a draft until there is stock again"
