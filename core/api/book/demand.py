"""Whether so many products are looked for that the whole catalogue costs less."""

import threading
import time
from collections.abc import Callable

#: So many different SKUs within so many seconds make it worth reading the catalogue,
_BROAD_SKUS = 5
_BROAD_SECONDS = 60.0

#: if it isn't longer than this. One that is won't be read again for so long.
CATALOGUE_PAGES_MAX = 5
_LARGE_SECONDS = 3600.0

#: More SKUs than this say nothing more.
_REMEMBERED_MAX = 100


class Demand:
    """What one client and its views have looked for lately. Thread-safe.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted_at: dict[str, float] = {}
        self._large_until = 0.0

    def is_broad(self, sku: str) -> bool:
        """Take note of a SKU, and tell whether to look into the catalogue for it."""
        with self._lock:
            now = self._clock()
            self._wanted_at.pop(sku, None)
            if len(self._wanted_at) >= _REMEMBERED_MAX:
                del self._wanted_at[next(iter(self._wanted_at))]
            self._wanted_at[sku] = now
            lately = sum(now - at < _BROAD_SECONDS for at in self._wanted_at.values())
            return lately >= _BROAD_SKUS and now >= self._large_until

    def note_large_catalogue(self) -> None:
        """Take note that the catalogue is too long to be read."""
        with self._lock:
            self._large_until = self._clock() + _LARGE_SECONDS
