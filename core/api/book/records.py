"""What a book keeps, and what it can be asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: Microseconds since 1970; a book's times are all by one clock, the book's own.
Micros = int

SECOND: Micros = 1_000_000

#: Copies are kept for this long at least, and for twice as long at most.
LIFE: Micros = 120 * SECOND

#: Once a page was asked for, others than who asked wait so long before they ask for it again:
#: whoever comes meanwhile shares the next answer.
PACE: Micros = SECOND

#: Whoever asks for a page has it to himself for so long; if he dies, others wait no longer.
LEASE_SECONDS = 6.0

#: A shelf is emptied when it would take more than this in half of its lifetime.
SHELF_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """One page of one list; `query` tells lists of one shelf apart."""

    query: str
    page: int

    def __str__(self) -> str:
        return f"{self.query}|{self.page}"


@dataclass(frozen=True, slots=True)
class Copy:
    """An entry as it was answered.

    Attributes:
        asked: When its page was asked for.
        place: Where it stood, as `Place` is written.
        raw: Its JSON.
    """

    asked: Micros
    place: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a page, all entries of which are in the book.

    Attributes:
        asked: When it was asked for.
        is_last: Whether the list ends with it.
        oldest: When its oldest entry was created; 0 where entries have no such time.
    """

    asked: Micros
    is_last: bool
    oldest: Micros = 0


@dataclass(frozen=True, slots=True)
class View:
    """What the book knows at one moment of an entry and a page.

    Attributes:
        now: The book's time.
        copy: The latest copy of the entry.
        mark: The latest mark of the page.
        stale_since: When we last changed the entry ourselves; 0 for not lately.
    """

    now: Micros
    copy: Copy | None = None
    mark: Mark | None = None
    stale_since: Micros = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to ask for a page, which others wait for.

    Attributes:
        shelf: The kind of entries.
        place: The page.
        asked: When it was given: all that the answer holds is at least as new.
        token: Whose it is.
        era: Which life of the book it belongs to: a book that has lost its memory doesn't know what
            has changed since, and takes no answer of the life before.
    """

    shelf: str
    place: Place
    asked: Micros
    token: str
    era: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to keep; `alias` is another name under which it may be changed."""

    raw: bytes = field(repr=False)
    alias: str = ""


class Book(Protocol):
    """Keeps copies for a short time, and sees to it that one asks for what many want. Thread-safe.

    It may forget anything at any time, and fails never.
    """

    def look(self, shelf: str, key: str, place: Place) -> View:
        """Return what is known of an entry, and of a page that may hold it."""

    def lease(self, shelf: str, place: Place, since: Micros) -> Lease | float:
        """Return the right to ask for a page that nobody has asked for since.

        Without it: the seconds after which to look again at the latest, 0 where somebody has.
        """

    def put(self, lease: Lease, entries: Mapping[str, Entry], mark: Mark) -> None:
        """Keep what was answered, and end the lease."""

    def release(self, lease: Lease) -> None:
        """End a lease without an answer: the next may try."""

    def mark_stale(self, shelf: str, keys: Sequence[str]) -> None:
        """Take no more copies of these that were asked for until now; without keys, of all."""
