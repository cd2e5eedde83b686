"""The spool: events on this host's disk, in the order of their arrival."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from core.events import Arrival, EventId, Source
from receiver.commit import has_room
from receiver.spool_errors import BOUND_REACHED, SpoolError, explain, is_corrupt, is_full
from receiver.spool_file import Identity, SpoolFile

#: A file that is larger than this when its last event has left is made small again.
_SHRINK_PAGES = 256
#: Where so much finds room, a usual event does too.
_PROBE_BYTES = 16 * 1024
#: What an event takes beside its body, at most, and what a commit may take beside its events.
_OVERHEAD_BYTES = 512
_SLACK_BYTES = 64 * 1024
#: A file may be replaced while it is used, but not again and again.
_TRIES = 3

_LEFT = "SELECT (SELECT max(seq) FROM event) - (SELECT min(seq) FROM event) + 1"
# Not INSERT OR IGNORE: what that ignores uses up a number, and the numbers count what is left.
_INSERT = """
INSERT INTO event (id, received_at, source, raw)
SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM event WHERE id = ?1)
"""
_OLDEST = "SELECT seq, id, raw, received_at, source FROM event WHERE seq > ? ORDER BY seq"

Result = TypeVar("Result")


class Position(NamedTuple):
    """How far somebody has read, and in which file: another file's numbers mean other events."""

    file: Identity
    seq: int


class Batch(NamedTuple):
    """The oldest events after a position, as many as make up a commit."""

    arrivals: list[Arrival]
    position: Position


class Spool:
    """Events on disk; for one thread at a time.

    Each process of the host, and each of its threads, opens the same file. What is damaged, gone or
    replaced is opened anew by the next call, so that trouble ends without a restart.

    Args:
        folder: Where the file is; made if it isn't there.
        max_bytes: How large the file may become. Its write-ahead log comes on top.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._file = SpoolFile(folder, max_bytes=max_bytes)
        self._open: tuple[sqlite3.Connection, Identity] | None = None

    def append(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Put events on disk, all or none; return those that were not there yet.

        Raises:
            SpoolError: None of them is there.
        """

        def insert(connection: sqlite3.Connection, _: Identity) -> set[EventId]:
            fresh = set()
            needed = sum(len(arrival.raw) + _OVERHEAD_BYTES for arrival in arrivals)
            with _bound(connection, needed), _transaction(connection):
                for arrival in arrivals:
                    moment, source = arrival.received_at.isoformat(), arrival.source.value
                    values = (arrival.id, moment, source, arrival.raw)
                    if connection.execute(_INSERT, values).rowcount:
                        fresh.add(arrival.id)
            return fresh

        return self._run(insert)

    def oldest(self, after: Position | None = None) -> Batch:
        """Read the oldest events that come after a position.

        Raises:
            SpoolError: It can't be read.
        """

        def read(connection: sqlite3.Connection, file: Identity) -> Batch:
            seq = after.seq if after and after.file == file else 0
            arrivals: list[Arrival] = []
            size = 0
            cursor = connection.execute(_OLDEST, (seq,))
            for number, event_id, raw, received_at, source in cursor:
                if not has_room(len(arrivals), size, len(raw)):
                    break
                moment = datetime.fromisoformat(received_at).astimezone(UTC)
                arrivals.append(Arrival(EventId(event_id), raw, moment, Source(source)))
                size += len(raw)
                seq = number
            # An open cursor would keep the write-ahead log from starting over.
            cursor.close()
            return Batch(arrivals, Position(file, seq))

        return self._run(read)

    def delete(self, through: Position) -> None:
        """Delete the events up to a position, if it is one of this file.

        Raises:
            SpoolError: They are still there.
        """

        def delete(connection: sqlite3.Connection, file: Identity) -> None:
            if file == through.file:
                connection.execute("DELETE FROM event WHERE seq <= ?", (through.seq,))

        self._run(delete)

    def left(self) -> int:
        """How many events there are; at once, however many.

        Raises:
            SpoolError: It can't be read.
        """

        def count(connection: sqlite3.Connection, _: Identity) -> int:
            number: int | None = connection.execute(_LEFT).fetchone()[0]
            return number or 0

        return self._run(count)

    def try_to_write(self) -> None:
        """Write something, and take it back.

        Raises:
            SpoolError: There is no room, or the file can't be used.
        """

        def probe(connection: sqlite3.Connection, _: Identity) -> None:
            with _bound(connection, _PROBE_BYTES):
                connection.execute("REPLACE INTO room VALUES (1, zeroblob(?))", (_PROBE_BYTES,))
            connection.execute("DELETE FROM room")

        self._run(probe)

    def shrink(self) -> None:
        """Give the disk back what a long outage has taken, once the spool is empty.

        Raises:
            SpoolError: Another process is at work in it; there will be another time.
        """

        def vacuum(connection: sqlite3.Connection, _: Identity) -> None:
            if _number(connection, "page_count") > _SHRINK_PAGES:
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self._run(vacuum)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._open is not None:
            connection, _ = self._open
            self._open = None
            with suppress(sqlite3.Error):
                connection.close()

    def _run(self, operation: Callable[[sqlite3.Connection, Identity], Result]) -> Result:
        for _ in range(_TRIES):
            try:
                result = operation(*self._current())
                # Had the file been moved away meanwhile, what was just written would be there.
                if self._is_current():
                    return result
            except (sqlite3.Error, OSError) as error:
                self._mend(error)
        raise SpoolError("spool.db is replaced again and again: look for what does that")

    def _current(self) -> tuple[sqlite3.Connection, Identity]:
        if not self._is_current():
            self.close()
        if self._open is None:
            self._open = self._file.open()
        return self._open

    def _is_current(self) -> bool:
        try:
            return self._open is not None and self._file.identity() == self._open[1]
        except OSError:
            return False

    def _mend(self, error: Exception) -> None:
        """Do what can be done about an error, so that it is worth trying again; else raise."""
        opened, reason = self._open, explain(error)
        self.close()
        if opened is None or not is_corrupt(error):
            raise SpoolError(reason) from error
        try:
            self._file.set_aside(opened[1], error)
        except OSError as failure:
            raise SpoolError(f"{reason}, and can't be moved aside: {failure}") from failure


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the right to write from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back itself where the disk was full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _bound(connection: sqlite3.Connection, needed_bytes: int) -> Iterator[None]:
    """Tell a file that may not grow from a disk that is full: SQLite has one error for both."""
    try:
        yield
    except sqlite3.Error as error:
        if is_full(error) and _free_bytes(connection) < needed_bytes + _SLACK_BYTES:
            raise SpoolError(BOUND_REACHED) from error
        raise


def _free_bytes(connection: sqlite3.Connection) -> int:
    pages = _number(connection, "max_page_count") - _number(connection, "page_count")
    pages += _number(connection, "freelist_count")
    return pages * _number(connection, "page_size")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number
