"""The connected marketplaces."""

from collections.abc import Iterable

from handlers.testing.shop.records import Channel, ChannelStatus
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.surroundings import Surroundings


class Channels:
    """All channels; their connections fail and recover."""

    def __init__(self, around: Surroundings, channels: Iterable[Channel]) -> None:
        self._around = around
        self._by_id = {channel.id: channel for channel in channels}

    def all(self) -> list[Channel]:
        """Return every channel."""
        return list(self._by_id.values())

    def get(self, channel_id: str) -> Channel:
        """Return a channel.

        Raises:
            RefusedError: `not_found`.
        """
        if channel_id not in self._by_id:
            raise RefusedError("not_found", f"Channel {channel_id} does not exist.")
        return self._by_id[channel_id]

    def fail(self, channel_id: str, code: str, message: str) -> None:
        """Break a connection, and tell `channel.error`, each time anew."""
        self.get(channel_id).status = ChannelStatus.ERROR
        self._around.emit(
            "channel.error", {"channel": channel_id, "code": code, "message": message}
        )

    def recover(self, channel_id: str) -> None:
        """Mend a connection; no event is documented for it."""
        self.get(channel_id).status = ChannelStatus.ACTIVE
