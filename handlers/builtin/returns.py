"""Returned goods that can be sold again go back to stock."""

from handlers import Context, ReturnEvent, Skip, on

#: EcomLinx says that returns are graded, not how; this is the word that we assume.
RESELLABLE = "resellable"


@on("return.received", name="builtin.returns", enabled=False)
def restock(event: ReturnEvent, ctx: Context) -> str:
    """Add a resellable return to the stock, once."""
    returned = event.data
    if returned.grade != RESELLABLE:
        raise Skip(f"graded {returned.grade}")
    ctx.api.inventory.adjust(returned.sku, returned.qty)
    return f"put back {returned.qty} x {returned.sku}"
