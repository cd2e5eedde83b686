"""How one client, or one view of it, looks things up."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

from core.api.book.demand import Demand
from core.api.book.occasion import Occasion
from core.api.book.records import Book
from core.api.book.search import Missing, Reach
from core.api.book.shelf import Kind, Shelf
from core.api.errors import NotFound, NotYetVisible
from core.api.models import Record
from core.api.transport import Around, Transport

R = TypeVar("R", bound=Record)

#: The shelves' names.
ORDERS = "orders"
INVENTORY = "inventory"
PRODUCTS = "products"

_LOOKED_AT = {
    Reach.WHOLE_LIST: "is not in the list, all of which was looked at",
    Reach.OLDEST: "is not among those created since then",
    Reach.MAX_PAGES: "is not among the newest: {pages} pages were looked at, and there are more",
}


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where entries are looked up, and why.

    Attributes:
        book: What is known already.
        workspace: Tells what belongs to one API key from what belongs to others.
        occasion: The event on whose occasion calls are made, if there is one.
        demand: Which products have been looked for lately.
    """

    book: Book
    workspace: str
    occasion: Occasion | None = None
    demand: Demand = field(default_factory=Demand)

    def on(self, occasion: Occasion) -> "Lookup":
        """Return the same on another occasion."""
        return replace(self, occasion=occasion)

    def shelf(self, kind: Kind[R], transport: Transport) -> Shelf[R]:
        """Return where entries of a kind are found."""
        return Shelf(kind, self.book, f"{self.workspace}:{kind.name}", transport)

    def changing(self, entries: Mapping[str, Sequence[str]]) -> Around:
        """Return what makes blocks in which entries change: no copy from before is taken after.

        Args:
            entries: By shelf; where none is named, all of them may change.
        """

        @contextmanager
        def change() -> Iterator[None]:
            # At the begin too: whoever dies within may have changed them.
            self._mark_stale(entries)
            try:
                yield
            finally:
                self._mark_stale(entries)

        return change

    def raise_not_found(self, what: str, missing: Missing, request: str) -> NoReturn:
        """Tell that something wasn't found, and how far it was looked for.

        Raises:
            NotYetVisible: The occasion is an event that has come lately.
            NotFound: Otherwise.
        """
        message = f"{what} " + _LOOKED_AT[missing.reach].format(pages=missing.pages)
        if self.occasion is not None and self.occasion.is_recent(datetime.now(UTC)):
            message += "; the event has just come, so it may appear yet"
            raise NotYetVisible("not_found", message, 404, request)
        raise NotFound("not_found", message, 404, request)

    def _mark_stale(self, entries: Mapping[str, Sequence[str]]) -> None:
        for shelf, keys in entries.items():
            self.book.mark_stale(f"{self.workspace}:{shelf}", keys)
