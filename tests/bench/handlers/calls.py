"""A handler that waits for somebody else's HTTP API, as most do."""

import httpx2

from handlers import Context, Event, on

_client = httpx2.Client()


@on("*", name="bench.calls")
def call(event: Event, ctx: Context) -> str:
    """Make one call."""
    answer = _client.get(ctx.config["url"], params={"order": event.entity or event.id})
    return f"answered {answer.raise_for_status().status_code}"
