"""The book of one process: for scripts, and for a process whose Redis is away."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.api.book.records import (
    LEASE_SECONDS,
    LIFE,
    PACE,
    SECOND,
    SHELF_BYTES_MAX,
    Copy,
    Entry,
    Lease,
    Mark,
    Micros,
    Place,
    View,
)

#: Stale marks that have outlived all copies are swept out when there are so many more.
_SWEEP_AT = 10_000


def micros_now() -> Micros:
    """The time by this machine's clock."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class _Section:
    """What was asked for in one `LIFE` of the clock."""

    copies: dict[str, tuple[Copy, str]] = field(default_factory=dict)
    marks: dict[Place, tuple[Mark, int]] = field(default_factory=dict)
    size: int = 0


class LocalBook:
    """A book that is shared by the threads of this process.

    Args:
        max_age: Copies and marks that are older, in microseconds, are left alone.
        clock: Tells the time in microseconds.
    """

    def __init__(self, max_age: Micros = LIFE, clock: Callable[[], Micros] = micros_now) -> None:
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._sections: dict[tuple[str, int], _Section] = {}
        self._stale: dict[tuple[str, str], Micros] = {}
        self._all_stale: dict[str, Micros] = {}
        self._leases: dict[tuple[str, Place], Lease] = {}

    def look(self, shelf: str, key: str, place: Place) -> View:
        """Return what is known of an entry, and of a page that may hold it."""
        with self._lock:
            now = self._clock()
            copy, alias = self._copy(shelf, key, now)
            mark, _ = self._mark(shelf, place, now)
            stale_since = max(
                self._all_stale.get(shelf, 0),
                self._stale.get((shelf, key), 0),
                self._stale.get((shelf, alias), 0) if alias else 0,
            )
            return View(now, copy, mark, stale_since)

    def lease(self, shelf: str, place: Place, since: Micros) -> Lease | float:
        """Return the right to ask for a page that nobody has asked for since, or a wait."""
        with self._lock:
            now, me = self._clock(), threading.get_ident()
            mark, asker = self._mark(shelf, place, now)
            if mark is not None and since <= mark.asked <= now:
                return 0.0
            if mark is not None and asker != me and 0 <= now - mark.asked < PACE:
                return (PACE - (now - mark.asked)) / SECOND
            held = self._leases.get((shelf, place))
            if held is not None and 0 <= now - held.asked < LEASE_SECONDS * SECOND:
                return LEASE_SECONDS - (now - held.asked) / SECOND
            lease = Lease(shelf, place, now, str(me), "")
            self._leases[shelf, place] = lease
            return lease

    def put(self, lease: Lease, entries: Mapping[str, Entry], mark: Mark) -> None:
        """Keep what was answered, and end the lease."""
        with self._lock:
            section = self._section(lease.shelf, lease.asked)
            self._keep(section, lease, entries)
            if section.size > SHELF_BYTES_MAX:
                # Marks and copies go together: a mark without its copies would hide them.
                self._sections.pop((lease.shelf, lease.asked // LIFE))
            elif (known := section.marks.get(lease.place)) is None or known[0].asked < mark.asked:
                section.marks[lease.place] = mark, threading.get_ident()
            self._end(lease)

    def release(self, lease: Lease) -> None:
        """End a lease without an answer: the next may try."""
        with self._lock:
            self._end(lease)

    def mark_stale(self, shelf: str, keys: Sequence[str]) -> None:
        """Take no more copies of these that were asked for until now; without keys, of all."""
        with self._lock:
            now = self._clock()
            if not keys:
                self._all_stale[shelf] = now
            self._stale.update({(shelf, key): now for key in keys})
            if len(self._stale) > _SWEEP_AT:
                oldest = now - 3 * LIFE
                self._stale = {key: at for key, at in self._stale.items() if at > oldest}

    def _copy(self, shelf: str, key: str, now: Micros) -> tuple[Copy | None, str]:
        for section in self._recent(shelf, now):
            if key in section.copies:
                copy, alias = section.copies[key]
                return (copy, alias) if now - copy.asked <= self._max_age else (None, "")
        return None, ""

    def _mark(self, shelf: str, place: Place, now: Micros) -> tuple[Mark | None, int]:
        for section in self._recent(shelf, now):
            if place in section.marks:
                mark, asker = section.marks[place]
                return (mark, asker) if now - mark.asked <= self._max_age else (None, 0)
        return None, 0

    def _recent(self, shelf: str, now: Micros) -> list[_Section]:
        """The sections that are young enough, the newest first."""
        numbers = (now // LIFE, now // LIFE - 1)
        return [found for n in numbers if (found := self._sections.get((shelf, n))) is not None]

    def _section(self, shelf: str, asked: Micros) -> _Section:
        number = asked // LIFE
        for name in [name for name in self._sections if name[1] < number - 1]:
            del self._sections[name]
        return self._sections.setdefault((shelf, number), _Section())

    def _keep(self, section: _Section, lease: Lease, entries: Mapping[str, Entry]) -> None:
        place = str(lease.place)
        for key, entry in entries.items():
            known = section.copies.get(key)
            if known is None or known[0].asked < lease.asked:
                section.copies[key] = Copy(lease.asked, place, entry.raw), entry.alias
                section.size += len(entry.raw) - (len(known[0].raw) if known else 0)

    def _end(self, lease: Lease) -> None:
        if self._leases.get((lease.shelf, lease.place)) is lease:
            del self._leases[lease.shelf, lease.place]
