"""The marketplaces and shops that a workspace is connected to."""

from core.api.calls import Request
from core.api.models import Channel, Listing, SyncJob
from core.api.transport import Transport


class Channels:
    """`api.channels`: list channels and have them synced."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[Channel, ...]:
        """Return all connected channels."""
        return self._transport.call(Request("GET", ("channels",)), Listing[Channel]).data

    def sync(self, channel_id: str) -> SyncJob:
        """Have orders, inventory and listing statuses of a channel synced.

        EcomLinx sends ``sync.completed`` when it has ended. Not documented: whether asking twice
        syncs twice, so it is tried again only when it is certain that nothing was begun.
        """
        request = Request(
            "POST",
            ("channels", channel_id, "sync"),
            repeatable=False,
            once=f"channels.sync({channel_id})",
        )
        return self._transport.call(request, SyncJob)
