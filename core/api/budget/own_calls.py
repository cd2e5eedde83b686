"""The calls of this process: what it tells Redis after Redis was away, or has forgotten them."""

import threading
from collections import deque
from collections.abc import Callable

from core.api.limits import SECOND, Limit, longest


class OwnCalls:
    """The latest calls of a process, as long as they count. Thread-safe.

    Args:
        limits: No call counts for longer than the longest of their windows.
        clock: Returns the time in microseconds, and is never set back.
    """

    def __init__(self, limits: tuple[Limit, ...], clock: Callable[[], int]) -> None:
        self._life = longest(limits).length
        self._clock = clock
        self._lock = threading.Lock()
        self._flying: dict[str, int] = {}
        self._sent: deque[tuple[int, str]] = deque()

    def begun(self, call: str, flight: int) -> None:
        """A call is sent, and certain not to arrive any more after `flight` microseconds."""
        with self._lock:
            self._flying[call] = self._clock() + flight

    def done(self, call: str) -> None:
        """A call has been answered, or won't be."""
        with self._lock:
            now = self._clock()
            if self._flying.pop(call, None) is not None:
                self._sent.append((now, call))
            while self._sent and self._sent[0][0] <= now - self._life:
                self._sent.popleft()

    def is_flying(self, call: str) -> bool:
        """Tell whether a call is under way."""
        return call in self._flying

    def sent(self) -> list[tuple[str, int]]:
        """Return the calls that are done and still count, and how many microseconds ago."""
        with self._lock:
            now = self._clock()
            return [(call, now - at) for at, call in self._sent if at > now - self._life]

    def flying(self) -> list[tuple[str, int]]:
        """Return the calls that are not done, and how long they may still take."""
        with self._lock:
            now = self._clock()
            return [(call, max(until - now, SECOND)) for call, until in self._flying.items()]
