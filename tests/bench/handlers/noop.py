"""A handler that does nothing: what is left is the service's own work."""

from handlers import Context, Event, on


@on("*", name="bench.noop")
def do_nothing(event: Event, ctx: Context) -> None:
    """Return at once."""
