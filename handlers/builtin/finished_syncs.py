"""Finished syncs are noted, so that a channel's history can be read in the ledger."""

from handlers import Context, SyncEvent, on


@on("sync.completed", name="builtin.finished-syncs", enabled=False)
def note(event: SyncEvent, ctx: Context) -> str:
    """Note how the channel stands after the sync."""
    channel = next((c for c in ctx.api.channels.list() if c.id == event.data.channel), None)
    if channel is None:
        return f"{event.data.sync_id} of {event.data.channel}: {event.data.status}"
    listings = channel.active_listings
    return f"{channel.name}: {event.data.status}, now {channel.status} with {listings} listings"
