"""The book that all processes of all hosts share through Redis."""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import redis
import structlog

from core.api.book import scripts
from core.api.book.local import LocalBook
from core.api.book.records import (
    LEASE_SECONDS,
    LIFE,
    SECOND,
    Copy,
    Entry,
    Lease,
    Mark,
    Micros,
    Place,
    View,
)

log = structlog.get_logger()

_PREFIX = "ecomlinx:api:book:"
_ERA = _PREFIX + "era"

#: Redis that failed is left alone for so long.
_AWAY_SECONDS = 1.0

#: While Redis is away we don't hear what other processes change: copies serve a burst, no longer.
_AWAY_LIFE: Micros = 5 * SECOND

#: Entries that are sent in one step, so that nobody waits long for Redis meanwhile.
_CHUNK = 500

Result = TypeVar("Result")


class SharedBook:
    """A book in Redis. While Redis is away, each process keeps one of its own.

    Thread-safe. Copies expire after minutes, and their number is bounded.

    Args:
        connection: Gives up after a short time, such as a second, and returns bytes.
    """

    def __init__(self, connection: "redis.Redis") -> None:
        self._look = connection.register_script(scripts.LOOK)
        self._lease = connection.register_script(scripts.LEASE)
        self._keep = connection.register_script(scripts.KEEP)
        self._mark = connection.register_script(scripts.MARK)
        self._release = connection.register_script(scripts.RELEASE)
        self._stale = connection.register_script(scripts.STALE)
        self._process = secrets.token_hex(4)
        self._away = _Away()

    def look(self, shelf: str, key: str, place: Place) -> View:
        """Return what is known of an entry, and of a page that may hold it."""

        def look() -> View:
            now, copy, stale_since, mark = self._look(
                args=[_PREFIX + shelf, _name(key), _name(str(place))]
            )
            return View(int(now), _read_copy(copy), _read_mark(mark), int(stale_since))

        return self._reach(look, lambda local: local.look(shelf, key, place))

    def lease(self, shelf: str, place: Place, since: Micros) -> Lease | float:
        """Return the right to ask for a page that nobody has asked for since, or a wait."""

        def lease() -> Lease | float:
            what, *more = self._lease(
                args=[
                    _PREFIX + shelf,
                    _name(str(place)),
                    since,
                    self._me(),
                    int(LEASE_SECONDS * 1000),
                    _ERA,
                    secrets.token_hex(8),
                ]
            )
            if what != b"yours":
                return int(more[0]) / 1000 if more else 0.0
            asked, era = more
            return Lease(shelf, place, int(asked), f"{self._me()}@{int(asked)}", era.decode())

        return self._reach(lease, lambda local: local.lease(shelf, place, since))

    def put(self, lease: Lease, entries: Mapping[str, Entry], mark: Mark) -> None:
        """Keep what was answered, and end the lease."""

        def put() -> None:
            self._write(lease, entries, mark)
            self._end(lease)

        if lease.era:
            self._reach(put, lambda _: None)
        else:
            self._away.book.put(lease, entries, mark)

    def release(self, lease: Lease) -> None:
        """End a lease without an answer: the next may try."""
        if lease.era:
            self._reach(lambda: self._end(lease), lambda _: None)
        else:
            self._away.book.release(lease)

    def mark_stale(self, shelf: str, keys: Sequence[str]) -> None:
        """Take no more copies of these that were asked for until now; without keys, of all."""

        def away(local: LocalBook) -> None:
            local.mark_stale(shelf, keys)
            self._away.owe(shelf, keys)

        self._reach(lambda: self._send_stale(shelf, keys), away)

    def _reach(self, there: Callable[[], Result], away: Callable[[LocalBook], Result]) -> Result:
        """Do something in Redis, or what is to be done while Redis is away."""
        if not self._away.may_try():
            return away(self._away.book)
        try:
            for shelf, keys in self._away.owed():
                self._send_stale(shelf, keys)
            result = there()
        except redis.RedisError as error:
            return away(self._away.begin(error))
        self._away.end()
        return result

    def _write(self, lease: Lease, entries: Mapping[str, Entry], mark: Mark) -> None:
        shelf, place = _PREFIX + lease.shelf, _name(str(lease.place))
        kept: set[bytes] = set()
        for chunk in _chunks(_written(lease, place, entries)):
            kept.add(self._keep(args=[shelf, lease.asked, _ERA, lease.era, *chunk]))
        if len(kept) == 1 and (where := kept.pop()):
            value = f"{mark.asked} {int(mark.is_last)} {mark.oldest} {self._me()}"
            self._mark(args=[shelf, lease.asked, where, place, value])

    def _end(self, lease: Lease) -> None:
        self._release(args=[_PREFIX + lease.shelf, _name(str(lease.place)), lease.token])

    def _send_stale(self, shelf: str, keys: Sequence[str]) -> None:
        self._stale(args=[_PREFIX + shelf, *map(_name, keys)])

    def _me(self) -> str:
        return f"{self._process}-{os.getpid()}-{threading.get_ident()}"


class _Away:
    """Whether Redis is away, and what is done meanwhile. Thread-safe."""

    def __init__(self) -> None:
        self.book = LocalBook(_AWAY_LIFE)
        self._lock = threading.Lock()
        self._is_away = False
        self._next_try = 0.0
        self._owed: dict[tuple[str, tuple[str, ...]], float] = {}

    def may_try(self) -> bool:
        """Whether to ask Redis: of those who ask while it is away, one a second may."""
        if not self._is_away:
            return True
        with self._lock:
            if time.monotonic() < self._next_try:
                return False
            self._next_try = time.monotonic() + _AWAY_SECONDS
            return True

    def begin(self, error: Exception) -> LocalBook:
        """Take note that Redis failed; return the book to use."""
        with self._lock:
            self._next_try = time.monotonic() + _AWAY_SECONDS
            if not self._is_away:
                self._is_away = True
                # What it had from the last time may have been changed by others since.
                self.book = LocalBook(_AWAY_LIFE)
                log.warning("order_book_away", error=str(error))
            return self.book

    def end(self) -> None:
        """Take note that Redis answered."""
        if self._is_away:
            with self._lock:
                self._is_away = False
            log.info("order_book_back")

    def owe(self, shelf: str, keys: Sequence[str]) -> None:
        """Remember that Redis has to be told of a change."""
        with self._lock:
            oldest = time.monotonic() - 3 * LIFE / SECOND
            self._owed[shelf, tuple(keys)] = time.monotonic()
            if len(self._owed) % _CHUNK == 0:
                self._owed = {what: at for what, at in self._owed.items() if at > oldest}

    def owed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield what Redis has to be told; what was told is forgotten."""
        while self._owed:
            with self._lock:
                what, at = next(iter(self._owed.items()), (None, 0.0))
            if what is None:
                return
            yield what
            with self._lock:
                # Owed once more meanwhile, it has to be told once more.
                if self._owed.get(what) == at:
                    del self._owed[what]


def _name(text: str) -> str:
    """A name without spaces and control characters."""
    return quote(text, safe="|=", errors="replace")


def _written(lease: Lease, place: str, entries: Mapping[str, Entry]) -> Iterator[str | bytes]:
    for key, entry in entries.items():
        yield _name(key)
        yield f"{lease.asked} {place} {_name(entry.alias)}\n".encode() + entry.raw


def _chunks(words: Iterator[str | bytes]) -> Iterator[list[Any]]:
    """Cut into chunks; an empty page is one too, an empty one."""
    chunk = list(islice(words, 2 * _CHUNK))
    yield chunk
    while chunk := list(islice(words, 2 * _CHUNK)):
        yield chunk


def _read_copy(value: bytes) -> Copy | None:
    head, _, raw = value.partition(b"\n")
    try:
        asked, place, _ = head.decode("ascii").split(" ")
        return Copy(int(asked), unquote(place), raw)
    except ValueError:
        # Nothing, or nothing of ours.
        return None


def _read_mark(value: bytes) -> Mark | None:
    try:
        asked, is_last, oldest, _ = value.decode("ascii").split(" ")
        return Mark(int(asked), is_last == "1", int(oldest))
    except ValueError:
        return None
