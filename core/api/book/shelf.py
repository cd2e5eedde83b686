"""Finds one entry of a kind: in the book, or in the list, once for all who look."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.api.answers import Answer, entries_in, read
from core.api.book.records import Book, Copy, Entry, Lease, Mark, Micros
from core.api.book.search import Ask, Found, Missing, Search, Wanted
from core.api.calls import Request
from core.api.errors import UnexpectedResponse, Unreachable
from core.api.models import Record
from core.api.transport import Transport

R = TypeVar("R", bound=Record)

#: Seconds between looks at what others are asking for: they grow from the first to the last.
_FIRST_PAUSE = 0.01
_LAST_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Sheet(Generic[R]):
    """A page that was answered, in the list's order."""

    records: Sequence[R]
    is_last: bool
    oldest: Micros = 0


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """What the entries of a shelf are, and how their lists are read.

    Attributes:
        name: The shelf's.
        model: An entry.
        key_of: The name by which entries are looked for.
        read_sheet: Reads an answer to the request for a page of this number.
        alias_of: Another name under which an entry may be changed.
    """

    name: str
    model: type[R]
    key_of: Callable[[R], str]
    read_sheet: Callable[[Answer, Request, int], Sheet[R]]
    alias_of: Callable[[R], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Paged:
    """A list: what tells it from others of its shelf, and the request for one of its pages."""

    query: str
    request: Callable[[int], Request]


@dataclass(frozen=True, slots=True)
class Shelf(Generic[R]):
    """The entries of one kind, of one workspace; `name` is the book's name for it. Thread-safe."""

    kind: Kind[R]
    book: Book
    name: str
    transport: Transport

    def find(self, key: str, pages: Paged, wanted: Wanted) -> R | Missing:
        """Return an entry, or how far it was looked for in vain.

        Raises:
            EcomLinxError: A page can't be had.
        """
        return _Errand(self, key, pages, wanted).run()


class _Errand(Generic[R]):
    """One search, carried out."""

    def __init__(self, shelf: Shelf[R], key: str, pages: Paged, wanted: Wanted) -> None:
        self._shelf = shelf
        self._book = shelf.book
        self._key = key
        self._pages = pages
        self._search = Search(pages.query, wanted)
        self._waited = 0.0
        self._pause = _FIRST_PAUSE

    def run(self) -> R | Missing:
        """Search to the end."""
        while True:
            view = self._book.look(self._shelf.name, self._key, self._search.place)
            step = self._search.next_step(view)
            if isinstance(step, Missing):
                return step
            ending: R | Missing | None = None
            if isinstance(step, Found):
                ending = self._recall(step.copy)
            elif isinstance(step, Ask):
                ending = self._ask_or_wait(step.since)
            if ending is not None:
                return ending

    def _recall(self, copy: Copy) -> R | None:
        """Read a copy; what can't be read isn't the caller's trouble."""
        request = self._pages.request(1)
        try:
            record = read(self._shelf.kind.model, Answer(200, {}, copy.raw), request)
        except UnexpectedResponse:
            record = None
        if record is None or self._shelf.kind.key_of(record) != self._key:
            self._search.distrust(copy)
            return None
        self._shelf.transport.gate.count_hit(str(request))
        return record

    def _ask_or_wait(self, since: Micros) -> R | Missing | None:
        place = self._search.place
        lease = self._book.lease(self._shelf.name, place, since)
        if not isinstance(lease, Lease):
            self._wait(lease)
            return None
        sheet = self._ask(lease)
        record = next((r for r in sheet.records if self._shelf.kind.key_of(r) == self._key), None)
        if record is not None:
            return record
        return self._search.pass_page(_mark_of(sheet, lease))

    def _ask(self, lease: Lease) -> Sheet[R]:
        request = self._pages.request(lease.place.page)
        has_answer = False
        try:
            answer = self._shelf.transport.answer(request)
            sheet = self._shelf.kind.read_sheet(answer, request, lease.place.page)
            has_answer = True
        finally:
            if not has_answer:
                self._book.release(lease)
        entries = _entries(self._shelf.kind, sheet, answer)
        if entries is None:
            self._book.release(lease)
        else:
            self._book.put(lease, entries, _mark_of(sheet, lease))
        return sheet

    def _wait(self, seconds: float) -> None:
        """Wait for another's answer.

        Raises:
            Unreachable: There has been none for as long as a call may take.
        """
        request = self._pages.request(self._search.place.page)
        if self._waited > self._shelf.transport.timeout:
            reason = "those who asked before have got no answer in time"
            raise Unreachable(reason, str(request), sent=False)
        pause = min(seconds, self._pause * random.uniform(0.7, 1.3))  # noqa: S311 - spreads looks
        self._pause = min(self._pause * 1.5, _LAST_PAUSE)
        started = time.monotonic()
        time.sleep(pause)
        self._waited += time.monotonic() - started


def _mark_of(sheet: Sheet[R], lease: Lease) -> Mark:
    return Mark(lease.asked, sheet.is_last, sheet.oldest)


def _entries(kind: Kind[R], sheet: Sheet[R], answer: Answer) -> Mapping[str, Entry] | None:
    """What to keep of a page; None where it can't be written down."""
    raw = entries_in(answer)
    if raw is None:
        return None
    entries: dict[str, Entry] = {}
    for record, each in zip(sheet.records, raw, strict=True):
        entries.setdefault(kind.key_of(record), Entry(each, kind.alias_of(record)))
    return entries
