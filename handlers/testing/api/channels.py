"""The calls about channels."""

from collections.abc import Mapping

from handlers.testing.api.answers import Answer
from handlers.testing.api.call import Call
from handlers.testing.shop.clock import iso
from handlers.testing.shop.records import Channel
from handlers.testing.shop.shop import Shop


def list_channels(shop: Shop, call: Call) -> Answer:  # noqa: ARG001 - all handlers look alike
    """``GET /v1/channels``."""
    return Answer({"data": [_entry(shop, channel) for channel in shop.channels.all()]})


def sync_channel(shop: Shop, call: Call) -> Answer:
    """``POST /v1/channels/{id}/sync``."""
    job = shop.syncs.start(call.path["id"])
    return Answer(
        {
            "sync_id": job.id,
            "channel": job.channel,
            "status": "queued",
            "estimated_seconds": job.estimated_seconds,
            "created_at": iso(job.created_at),
        },
        status=202,
    )


def _entry(shop: Shop, channel: Channel) -> Mapping[str, object]:
    midnight = shop.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "id": channel.id,
        "name": channel.name,
        "status": channel.status,
        "last_synced": iso(channel.last_synced),
        "orders_today": shop.orders.count_since(midnight, channel.id),
        "active_listings": shop.products.live_on(channel.id),
    }
