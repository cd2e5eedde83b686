"""The API budget of one key, kept to by all threads, processes and hosts together."""

import hashlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.api.budget.redis_turns import RedisTurns
from core.api.budget.steady_turns import SteadyTurns
from core.api.budget.waiting import WaitingGate
from core.api.limits import PLAN_LIMITS, Limit, Plan

#: Seconds that a handler's call waits for its turn; who would have to wait longer comes back later.
LONGEST_WAIT = 3.0

#: Seconds after which Redis counts as away.
_REDIS_TIMEOUT = 1.0


class RedisBudget(WaitingGate):
    """What EcomLinx allows a key, shared through Redis by everybody who uses it.

    Thread-safe. Create one in each process (after a fork, not before), give it to its client, and
    close it at the end::

        with RedisBudget(redis_url, api_key) as budget, EcomLinx(api_key, gate=budget) as api:
            print(api.budget.usage().windows)

    Args:
        redis_url: Where Redis is.
        api_key: The key. Redis gets to know a short hash of it.
        plan: The key's plan.
        limits: In place of the plan's; the same in all processes.
        longest_wait: Who would have to wait for longer, in seconds, is told when to come back.
    """

    def __init__(
        self,
        redis_url: SecretStr | str,
        api_key: SecretStr | str,
        plan: Plan = "scale",
        *,
        limits: Sequence[Limit] | None = None,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        allowed = PLAN_LIMITS[plan] if limits is None else limits
        self._connection = _connect(_plain(redis_url))
        shared = RedisTurns(self._connection, allowed, name_of(_plain(api_key)))
        self._steady = SteadyTurns(shared, allowed)
        super().__init__(self._steady, longest_wait)

    def close(self) -> None:
        """Close the connections to Redis; nothing is shared any more."""
        self._steady.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def name_of(api_key: str) -> str:
    """Return what a key's entries in Redis are called: a hash, too short to tell a key by."""
    return hashlib.blake2b(api_key.encode(), digest_size=6, person=b"ecomlinx").hexdigest()


def _plain(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _connect(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url,
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
        # For the connection that Redis closed while it was idle; asking twice counts once.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        health_check_interval=30,
    )
