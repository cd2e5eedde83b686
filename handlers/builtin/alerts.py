"""Tells people of what no handler can mend: channels down, stock gone, listings suppressed."""

from handlers import ChannelEvent, Context, InventoryEvent, ListingEvent, on


@on("channel.error", name="builtin.alert-channel-error")
def channel_error(event: ChannelEvent, ctx: Context) -> None:
    """Tell that a marketplace can't be reached."""
    channel = event.data.channel
    ctx.alert(
        f"{channel}: the connection fails",
        fingerprint=f"channel.error:{channel}",
        severity="critical",
        body=event.data.message or "",
        labels={"channel": channel},
    )


@on("inventory.out", name="builtin.alert-inventory-out")
def inventory_out(event: InventoryEvent, ctx: Context) -> None:
    """Tell that a SKU is sold out."""
    where = event.data.channel or "every channel"
    ctx.alert(
        f"{event.data.sku} is out of stock on {where}",
        fingerprint=f"inventory.out:{event.data.sku}:{event.data.channel or ''}",
        labels={"sku": event.data.sku},
    )


@on("listing.suppressed", name="builtin.alert-listing-suppressed")
def listing_suppressed(event: ListingEvent, ctx: Context) -> None:
    """Tell that a channel doesn't show a listing any more, and why."""
    listing = event.data
    name = listing.sku or listing.product_id or listing.listing_id or "a listing"
    ctx.alert(
        f"{name} is suppressed on {listing.channel or 'a channel'}",
        fingerprint=f"listing.suppressed:{name}:{listing.channel or ''}",
        body=listing.reason or "",
    )
