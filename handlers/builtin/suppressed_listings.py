"""Suppressed listings leave their reason in the ledger, where it can be searched."""

from handlers import Context, ListingEvent, on


@on("listing.suppressed", name="builtin.suppressed-listings", enabled=False)
def record(event: ListingEvent, ctx: Context) -> dict[str, str | None]:
    """Note the channel's reason, from the product itself where the event doesn't say it."""
    listing = event.data
    reason = listing.reason
    if reason is None and listing.product_id and listing.channel:
        statuses = ctx.api.products.get(listing.product_id).channel_statuses
        status = statuses.get(listing.channel)
        reason = status.reason if status else None
    return {"product": listing.product_id, "channel": listing.channel, "reason": reason}
