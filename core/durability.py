"""Whether a Redis keeps what it has taken."""

from collections.abc import Mapping
from typing import Any

import redis

OLDEST = (6, 2)


def shortcomings(info: Mapping[str, Any]) -> list[str]:
    """Say what in Redis' own INFO is at odds with keeping every acknowledged event."""
    found = []
    version = str(info.get("redis_version", "0"))
    if _numbers(version) < OLDEST:
        found.append(f"Redis {version} is older than 6.2: a worker that dies can lose a job")
    if not info.get("aof_enabled"):
        found.append("appendonly is off: what Redis has taken is lost when it stops")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory"):
        found.append(f"maxmemory-policy is {policy}: Redis drops events when its memory is full")
    return found


def inspect(connection: "redis.Redis") -> list[str]:
    """Ask a Redis for its shortcomings.

    Raises:
        redis.RedisError: It doesn't say.
    """
    info = connection.info()
    if not isinstance(info, Mapping):
        raise redis.ResponseError("INFO was not answered as documented")
    return shortcomings(info)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
