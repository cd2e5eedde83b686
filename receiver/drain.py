"""Drains the spool into Redis, in order, as soon as Redis is back.

Nothing can get stuck in the spool: each process looks into it every `LOOK_SECONDS`, whatever it
believes of Redis and of the spool, and whoever finds an event there drains it or waits for the one
that does. What a process leaves behind, dying or believing too early that the spool is empty, is
found by the next look of any other, or by the first look of its successor.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import redis
import structlog

from core.events import Arrival
from receiver.mode import Mode
from receiver.spool import Batch, Position, Spool
from receiver.spool_errors import SpoolError
from receiver.spool_file import exclusive

#: How often a process looks whether there is something in the spool.
LOOK_SECONDS = 0.25
#: How often a Redis or a disk that fails is tried again.
PROBE_SECONDS = 1.0
#: How long it is until the next look while the spool is being drained.
_SOON_SECONDS = 0.02
#: So few events that another process has spooled are drained without any ado.
_FEW = 256
#: Events that are deleted at once. What was not deleted when the process dies is drained again, and
#: dropped by its duplicate markers.
_DELETE_EVENTS = 512
_PROGRESS_SECONDS = 5.0
#: Longer than a command to a Redis that hangs.
_CLOSE_SECONDS = 3.0

log = structlog.get_logger()


class Drainer:
    """Looks after the spool from one thread of its own; of a host's drainers, one drains.

    Args:
        spool: This drainer's own.
        commit_to_redis: Puts events into Redis, or raises `redis.RedisError`.
        ping_redis: Returns if Redis is there, or raises `redis.RedisError`.
        mode: Shared with the keeper of this process.
        lock: The file whose lock the one that drains holds.
    """

    def __init__(
        self,
        spool: Spool,
        commit_to_redis: Callable[[Sequence[Arrival]], object],
        ping_redis: Callable[[], object],
        mode: Mode,
        lock: Path,
    ) -> None:
        self._spool = spool
        self._commit_to_redis = commit_to_redis
        self._ping_redis = ping_redis
        self._mode = mode
        self._lock = lock
        self._position: Position | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        """Look once, so that new events queue up behind those of a former process; then go on."""
        self._try_to_write()
        with suppress(OSError), exclusive(self._lock, seconds=0):
            pass  # The file is made now: a full disk must not keep anybody from draining.
        self._look(few=0)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is in the spool stays there. Blocks, though not for a Redis that hangs."""
        self._stopping.set()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        seconds = 0.0
        while not self._stopping.wait(seconds):
            try:
                seconds = self._turn()
            except Exception:
                # This thread outlives whatever happens here: without it nothing would be drained.
                log.exception("drain_failed")
                seconds = PROBE_SECONDS
        self._spool.close()

    def _turn(self) -> float:
        """Look, do what there is to do, and return the seconds until the next turn."""
        if self._mode.trouble is not None:
            self._try_to_write()
        self._look()
        if self._mode.spooled:
            self._drain_alone()
        elif self._mode.spooling:
            self._ping()
        if self._look():
            self._shrink()
        if self._mode.redis_error is not None or self._mode.trouble is not None:
            return PROBE_SECONDS
        return _SOON_SECONDS if self._mode.spooling else LOOK_SECONDS

    def _look(self, few: int = _FEW) -> bool:
        """See what is left; tell whether spooling has ended with that."""
        with self._mode.lock:
            try:
                self._mode.spooled = self._spool.left()
            except SpoolError as error:
                self._mode.spool_failed(error)
            if self._mode.spooled > few:
                self._mode.queue_behind(self._mode.spooled)
            return self._mode.end_if_over()

    def _try_to_write(self) -> None:
        try:
            self._spool.try_to_write()
        except SpoolError as error:
            self._mode.spool_failed(error)
        else:
            self._mode.spool_works()

    def _drain_alone(self) -> None:
        try:
            with exclusive(self._lock, seconds=0):
                self._drain()
        except BlockingIOError:
            # Another process drains. Is Redis there for this one, too?
            self._ping()
        except (SpoolError, OSError) as error:
            self._mode.spool_failed(error)
            self._ping()
        except redis.RedisError as error:
            self._mode.redis_failed(error)

    def _drain(self) -> None:
        batch = self._spool.oldest(self._position)
        if not batch.arrivals:
            # All of it has been drained, and could not be deleted.
            self._ping()
        progress = _Progress(self._mode)
        try:
            while batch.arrivals and not self._stopping.is_set():
                self._commit(batch)
                if progress.note(len(batch.arrivals)):
                    self._delete()
                batch = self._spool.oldest(self._position)
        finally:
            self._delete()

    def _commit(self, batch: Batch) -> None:
        self._commit_to_redis(batch.arrivals)
        self._mode.redis_answered()
        self._position = batch.position

    def _delete(self) -> None:
        """Delete what is in Redis; where the disk is too full for it, that can wait."""
        if self._position is None:
            return
        with self._mode.lock:
            try:
                self._spool.delete(self._position)
                self._mode.spooled = self._spool.left()
            except SpoolError as error:
                self._mode.spool_failed(error)

    def _ping(self) -> None:
        try:
            self._ping_redis()
        except redis.RedisError as error:
            self._mode.redis_failed(error)
        else:
            self._mode.redis_answered()

    def _shrink(self) -> None:
        try:
            self._spool.shrink()
        except SpoolError as error:
            log.debug("spool_not_shrunk", reason=str(error))


class _Progress:
    """Counts what is drained, and says so every few seconds."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._undeleted = 0
        self._events = 0
        self._next_line = time.monotonic() + _PROGRESS_SECONDS

    def note(self, events: int) -> bool:
        """So many more events are in Redis; tell whether it is time to delete them."""
        self._events += events
        self._undeleted += events
        if time.monotonic() >= self._next_line:
            log.info("spool_drained", events=self._events, left=self._mode.spooled)
            self._events, self._next_line = 0, time.monotonic() + _PROGRESS_SECONDS
        if self._undeleted < _DELETE_EVENTS:
            return False
        self._undeleted = 0
        return True
