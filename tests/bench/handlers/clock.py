"""A handler that writes down when it is started."""

import os
import time
from functools import cache

from handlers import Context, Event, on


@on("*", name="bench.clock")
def write_time(event: Event, ctx: Context) -> None:
    """Write the event's id and the time, by the clock that all processes share."""
    started = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    os.write(_file(ctx.config["file"]), f"{event.id} {started}\n".encode())


@cache
def _file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
