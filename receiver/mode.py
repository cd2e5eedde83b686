"""Whether a receiver process commits to Redis or to the spool, and what it says about it."""

import threading
import time
from collections.abc import Callable

import structlog

#: The same trouble may come and go; it is told of once in so many seconds.
_QUIET_SECONDS = 30.0

log = structlog.get_logger()


class Mode:
    """What this process knows of Redis and of the spool; shared by its threads.

    Changes are made with `lock` held, and so are commits to the spool: that this process leaves the
    spool alone again is decided while none is under way. Reading takes no lock.

    Attributes:
        spooling: New events go to the spool.
        redis_error: Why Redis can't take events, as of the last time it was tried; else None.
        trouble: Why the spool can't take events, likewise.
        spooled: Events that the spool held when somebody last looked.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.RLock()
        self.spooling = False
        self.redis_error: str | None = None
        self.trouble: str | None = None
        self.spooled = 0
        self._clock = clock
        self._since = 0.0
        self._events = 0
        self._told: dict[str, float] = {}

    def redis_failed(self, error: Exception) -> None:
        """Redis didn't take events; from now on the spool does."""
        with self.lock:
            was_there, self.redis_error = self.redis_error is None, _words(error)
            if self.spooling and was_there and self._may_say("interrupted"):
                log.warning("spooling_goes_on", error=self.redis_error, left=self.spooled)
            self._start(error=self.redis_error)

    def redis_answered(self) -> None:
        """Redis is there."""
        with self.lock:
            self.redis_error = None

    def queue_behind(self, left: int) -> None:
        """The spool holds events, whoever has put them there: new ones queue up behind them."""
        with self.lock:
            self.spooled = left
            self._start(error="events are waiting in the spool", waiting=left)

    def spool_took(self, events: int, left: int) -> None:
        """The spool has taken events; called with the lock that was held for it."""
        self.queue_behind(left)
        self._events += events
        self.spool_works()

    def spool_failed(self, error: Exception) -> None:
        """The spool can't be used."""
        with self.lock:
            is_news = _words(error) != self.trouble
            self.trouble = _words(error)
            if is_news and self._may_say(self.trouble):
                log.error("spool_failed", reason=self.trouble)

    def spool_works(self) -> None:
        """The spool can be used."""
        with self.lock:
            if self.trouble is not None and self._may_say("works again"):
                log.info("spool_works_again", after=self.trouble)
            self.trouble = None

    def end_if_over(self) -> bool:
        """Go back to Redis if it is there, and the spool is empty; tell whether that is so."""
        with self.lock:
            if not self.spooling or self.spooled or self.redis_error is not None:
                return False
            self.spooling = False
            seconds = round(self._clock() - self._since, 1)
            log.info("spooling_over", events=self._events, seconds=seconds)
            return True

    def _start(self, **details: object) -> None:
        if not self.spooling:
            self.spooling = True
            self._since, self._events = self._clock(), 0
            log.warning("spooling_started", **details)

    def _may_say(self, line: str) -> bool:
        now = self._clock()
        if now < self._told.get(line, now):
            return False
        self._told[line] = now + _QUIET_SECONDS
        return True


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
