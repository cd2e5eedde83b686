"""Log lines for refused requests, few enough that an attacker can't fill the disk with them."""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

#: One line a reason in so many seconds; the others are counted in the next.
QUIET_SECONDS = 1.0


class RefusalLog:
    """Notes refused requests. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_line: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def note(self, reason: str, client: tuple[str, int] | None) -> None:
        """Write one line about a refusal, or count it for the next."""
        now = self._clock()
        if now < self._next_line.get(reason, 0.0):
            self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
            return
        self._next_line[reason] = now + QUIET_SECONDS
        log.warning(
            "webhook_refused",
            reason=reason,
            client=client[0] if client else None,
            unsaid=self._unsaid.pop(reason, 0),
        )
