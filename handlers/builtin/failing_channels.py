"""A channel whose connection fails is synced again, though not over and over."""

from handlers import ChannelEvent, Context, Skip, on

PAUSE_SECONDS = 600


@on("channel.error", name="builtin.failing-channels", enabled=False)
def sync(event: ChannelEvent, ctx: Context) -> str:
    """Start a sync, at most one a channel in ten minutes: one outage brings many such events."""
    channel = event.data.channel
    if not ctx.cooldown(f"sync {channel}", PAUSE_SECONDS):
        raise Skip(f"a sync of {channel} was started less than ten minutes ago")
    return f"started {ctx.api.channels.sync(channel).sync_id}"
