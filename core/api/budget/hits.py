"""Counts calls that were spared, and tells Redis of many at once."""

import threading
import time
from collections import Counter

from core.api.budget.redis_turns import RedisTurns

_SECONDS = 0.5


class Hits:
    """Spared calls that Redis has not been told of yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._untold: Counter[str] = Counter()
        self._told_at = 0.0

    def add(self, endpoint: str) -> None:
        """Count one."""
        with self._lock:
            self._untold[endpoint] += 1

    @property
    def are_due(self) -> bool:
        """Whether it is time to tell Redis."""
        return bool(self._untold) and time.monotonic() - self._told_at >= _SECONDS

    def tell(self, shared: RedisTurns) -> None:
        """Tell Redis of all that it has not been told.

        Raises:
            redis.RedisError: It wasn't told of some, and may be the next time.
        """
        with self._lock:
            self._told_at = time.monotonic()
            untold, self._untold = self._untold, Counter()
        try:
            while untold:
                endpoint, amount = untold.popitem()
                shared.count(endpoint, "hits", amount)
        finally:
            with self._lock:
                self._untold.update(untold)
