"""The spool's SQLite file: opened for several processes, moved aside when it is damaged."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NewType

import structlog

from receiver.spool_errors import is_corrupt

#: Which file it is, whatever its name is by now.
Identity = NewType("Identity", tuple[int, int])

_PAGE_BYTES = 4096
#: What the write-ahead log may keep on disk once its pages are in the file.
_WAL_BYTES = 8 * 1024 * 1024
#: How long a commit waits for other processes' commits.
_BUSY_SECONDS = 1.0
_LOCK_PAUSE_SECONDS = 0.01

_TODO = "events in it have not reached Redis: read it with `sqlite3 FILE .recover`"

log = structlog.get_logger()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    received_at TEXT NOT NULL,
    source TEXT NOT NULL,
    raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS room (id INTEGER PRIMARY KEY, filling BLOB NOT NULL);
"""


class SpoolFile:
    """Where the spool is, and how it is opened.

    Whoever opens or moves the file holds `spool.lock`: nobody opens what is being moved away, and
    of several processes that find it damaged, one moves it.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.path = folder / "spool.db"
        self._lock = folder / "spool.lock"
        self._max_pages = max_bytes // _PAGE_BYTES

    def identity(self) -> Identity:
        """Which file has the spool's name now.

        Raises:
            OSError: None has.
        """
        status = self.path.stat()
        return Identity((status.st_dev, status.st_ino))

    def open(self) -> tuple[sqlite3.Connection, Identity]:
        """Open the spool; make it where there is none, and where it is damaged.

        Raises:
            sqlite3.Error: It can't be used.
            OSError: The same.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self._lock, seconds=_BUSY_SECONDS):
            try:
                return self._open()
            except sqlite3.Error as error:
                if not is_corrupt(error):
                    raise
                self._move_aside(error)
                return self._open()

    def set_aside(self, damaged: Identity, error: Exception) -> None:
        """Move a damaged file out of the way, unless another process has done so already.

        Raises:
            OSError: It can't be moved.
        """
        with exclusive(self._lock, seconds=_BUSY_SECONDS):
            if self.identity() == damaged:
                self._move_aside(error)

    def _move_aside(self, error: Exception) -> None:
        aside = f"{self.path}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        # The file itself last: until then, whoever opens it finds it damaged, and moves it.
        for suffix in ("-shm", "-wal", ""):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        log.error("spool_moved_aside", error=str(error), moved_to=aside, todo=_TODO)

    def _open(self) -> tuple[sqlite3.Connection, Identity]:
        self._create_private()
        identity = self.identity()
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection, identity

    def _create_private(self) -> None:
        """Make the file for this user's eyes only; never touch one that exists.

        To open and close a file that SQLite has open would drop this process's locks on it.
        """
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def _configure(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        # SQLite's own bound: it holds for all processes, as all of them set it.
        connection.execute(f"PRAGMA max_page_count = {self._max_pages}")
        connection.executescript(_SCHEMA)


@contextmanager
def exclusive(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold a lock that the kernel takes back when its process dies.

    Raises:
        BlockingIOError: Another has held it for all of these seconds.
        OSError: There can be no such file.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, time.monotonic() + seconds)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_PAUSE_SECONDS)
