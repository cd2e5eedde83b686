"""Syncs of channels, which take their time."""

from datetime import timedelta

from handlers.testing.shop.channels import Channels
from handlers.testing.shop.orders import Orders
from handlers.testing.shop.products import Products
from handlers.testing.shop.records import ChannelStatus, SyncJob
from handlers.testing.shop.surroundings import Surroundings

_SHORTEST_SECONDS = 5
_LONGEST_SECONDS = 20


class Syncs:
    """Starts syncs, and tells `sync.completed` when they are due.

    Args:
        around: What all parts share.
        channels: What is synced.
        orders: Counted when a sync ends.
        products: Their listings are counted too.
        speed: How many times faster than estimated a sync is.
    """

    def __init__(
        self,
        around: Surroundings,
        channels: Channels,
        orders: Orders,
        products: Products,
        speed: float,
    ) -> None:
        self._around = around
        self._channels = channels
        self._orders = orders
        self._products = products
        self._speed = speed
        self._running: list[SyncJob] = []

    def start(self, channel_id: str) -> SyncJob:
        """Begin a sync. Not documented: we assume that asking twice syncs twice.

        Raises:
            RefusedError: `not_found`.
        """
        channel = self._channels.get(channel_id)
        seconds = self._around.chance.randint(_SHORTEST_SECONDS, _LONGEST_SECONDS)
        begun = self._around.now()
        ends_at = begun + timedelta(seconds=seconds / self._speed)
        job = SyncJob(self._around.ids.new("sync"), channel.id, seconds, begun, ends_at)
        self._running.append(job)
        return job

    def finish_due(self) -> None:
        """End the syncs whose time has come.

        Not documented: we assume that a sync of a channel in error ends too, as `failed`.
        """
        now = self._around.now()
        due = [job for job in self._running if job.ends_at <= now]
        for job in due:
            self._running.remove(job)
            self._finish(job)

    def _finish(self, job: SyncJob) -> None:
        channel = self._channels.get(job.channel)
        now = self._around.now()
        is_up = channel.status is ChannelStatus.ACTIVE
        orders = self._orders.count_since(channel.last_synced, channel.id) if is_up else 0
        listings = self._products.live_on(channel.id) if is_up else 0
        if is_up:
            channel.last_synced = now
        self._around.emit(
            "sync.completed",
            {
                "sync_id": job.id,
                "channel": channel.id,
                "status": "completed" if is_up else "failed",
                "orders": orders,
                "listings": listings,
                "duration_seconds": round((now - job.created_at).total_seconds(), 1),
            },
        )
