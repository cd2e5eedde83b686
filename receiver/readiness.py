"""Whether this receiver can take events, and where they go."""

import asyncio
from collections.abc import Awaitable, Callable

import redis
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from receiver.mode import Mode


def readyz(
    ping_redis: Callable[[], object], mode: Mode
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint behind ``/readyz``."""

    async def answer(_: Request) -> Response:
        return _say(mode, await asyncio.to_thread(_is_redis_there, ping_redis, mode))

    return answer


def _is_redis_there(ping_redis: Callable[[], object], mode: Mode) -> bool:
    if mode.spooling:
        # It is tried all the time: one that hangs need not be waited for here, too.
        return mode.redis_error is None
    try:
        ping_redis()
    except redis.RedisError:
        return False
    return True


def _say(mode: Mode, redis_is_there: bool) -> Response:
    spooled = mode.spooled
    if redis_is_there and not mode.spooling and not spooled:
        return JSONResponse({"status": "ready", "accepting": "redis"})
    if not redis_is_there and mode.trouble is not None:
        unavailable = {"status": "unavailable", "redis": "unreachable", "spool": "unusable"}
        return JSONResponse(unavailable, 503)
    is_disk = not redis_is_there or (mode.spooling and mode.trouble is None)
    accepting = "spool" if is_disk else "redis"
    return JSONResponse({"status": "spooling", "accepting": accepting, "spooled": spooled})
