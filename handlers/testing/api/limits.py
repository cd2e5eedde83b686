"""How many calls a key may make: sliding windows, as strict as they can be."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Plan(StrEnum):
    """What a key has been bought with. `pro` may only read."""

    SCALE = "scale"
    PRO = "pro"


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` within any `seconds`."""

    calls: int
    seconds: float


#: As documented. That windows slide is not documented; it is the strictest reading.
PLAN_WINDOWS = {
    Plan.SCALE: (Window(1000, 60.0), Window(100, 1.0)),
    Plan.PRO: (Window(200, 60.0), Window(20, 1.0)),
}


class Limits:
    """Counts one key's calls.

    Args:
        windows: All of them hold; none means no limit.
        seconds: Returns the time in seconds, from any beginning.
    """

    def __init__(self, windows: Iterable[Window], seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        # The first entry of a full deque is the call that has to leave the window before the next.
        self._calls = [(window, deque[float](maxlen=window.calls)) for window in windows]

    def try_call(self) -> int | None:
        """Count a call and return None; or count nothing and return the whole seconds to wait."""
        now = self._seconds()
        waits = (
            calls[0] + window.seconds - now
            for window, calls in self._calls
            if len(calls) == window.calls
        )
        longest = max(waits, default=0.0)
        if longest > 0:
            return max(1, math.ceil(longest))
        for _, calls in self._calls:
            calls.append(now)
        return None
