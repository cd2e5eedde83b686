"""One caller's way through a list: decides what to do next, without doing it."""

from dataclasses import dataclass
from enum import Enum

from core.api.book.records import Copy, Mark, Micros, Place, View

#: However far the list is newer than what is looked for, no walk goes further.
PAGES_MAX = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller is content with.

    Attributes:
        max_age: How old a copy may be.
        fresh_since: A copy that was asked for before this is too old.
        absent_since: A page that was asked for from then on and lacks the entry counts as read;
            None for the time at which the search begins.
        max_pages: How many pages are read at most,
        at_least_until: unless all that they hold is newer than this.
        oldest: Entries created before this are not looked for.
    """

    max_age: Micros
    fresh_since: Micros = 0
    absent_since: Micros | None = None
    max_pages: int = 1
    at_least_until: Micros | None = None
    oldest: Micros | None = None


class Reach(Enum):
    """How far a search went that found nothing."""

    WHOLE_LIST = "whole list"
    OLDEST = "oldest"
    MAX_PAGES = "max pages"


@dataclass(frozen=True, slots=True)
class Found:
    """The book has it."""

    copy: Copy


@dataclass(frozen=True, slots=True)
class Missing:
    """It is not where it was looked for: on so many pages."""

    reach: Reach
    pages: int


@dataclass(frozen=True, slots=True)
class Ask:
    """The page has to be asked for, unless somebody has since."""

    since: Micros


@dataclass(frozen=True, slots=True)
class Look:
    """The page lacks it: look at the next one."""


class Search:
    """Where one caller is.

    Pages are passed in the order of their numbers *and* of the times at which they were asked for:
    new entries push others to later pages, so that none is missed that was there all the time.
    """

    def __init__(self, query: str, wanted: Wanted) -> None:
        self.place = Place(query, 1)
        self._wanted = wanted
        self._fresh_since: Micros | None = None
        self._passed_since: Micros = 0
        #: The page on which an outdated copy stood is asked first: the entry is still near.
        self._is_guess = False

    def next_step(self, view: View) -> Found | Missing | Ask | Look:
        """Decide by what the book knows of the entry and of `place`."""
        fresh_since = self._fresh_since
        if fresh_since is None:
            fresh_since = self._begin(view)
        if view.copy is not None and fresh_since <= view.copy.asked <= view.now:
            return Found(view.copy)
        since = fresh_since if self._is_guess else self._passed_since
        if view.mark is None or not since <= view.mark.asked <= view.now:
            return Ask(since)
        return self.pass_page(view.mark) or Look()

    def pass_page(self, mark: Mark) -> Missing | None:
        """Take note that the page at `place` lacks the entry; go on to the next, if any."""
        number = self.place.page
        if self._is_guess:
            self._is_guess = False
            self.place = Place(self.place.query, 1)
            return None
        reach = self._end(mark, number)
        if reach is not None:
            return Missing(reach, number)
        self.place = Place(self.place.query, number + 1)
        self._passed_since = mark.asked
        return None

    def distrust(self, copy: Copy) -> None:
        """Take note that a copy is of no use."""
        self._fresh_since = copy.asked + 1
        self._passed_since = max(self._passed_since, self._fresh_since)

    def _begin(self, view: View) -> Micros:
        """Fix what is fresh: what changes while we search may come from before or after."""
        wanted, now = self._wanted, view.now
        # Clocks differ: a bound that lies ahead can't be kept, and means now.
        bounds = (wanted.fresh_since, view.stale_since + 1, now - wanted.max_age)
        fresh_since = min(max(bounds), now)
        absent_since = now if wanted.absent_since is None else min(wanted.absent_since, now)
        self._fresh_since = fresh_since
        self._passed_since = max(absent_since, fresh_since)
        self._guess(view.copy)
        return fresh_since

    def _guess(self, outdated: Copy | None) -> None:
        query, _, page = outdated.place.rpartition("|") if outdated else ("", "", "1")
        if query == self.place.query and page != "1":
            self.place = Place(query, int(page))
            self._is_guess = True

    def _end(self, mark: Mark, number: int) -> Reach | None:
        wanted = self._wanted
        if mark.is_last:
            return Reach.WHOLE_LIST
        if wanted.oldest is not None and mark.oldest < wanted.oldest:
            return Reach.OLDEST
        is_newer = wanted.at_least_until is not None and mark.oldest > wanted.at_least_until
        if number >= (PAGES_MAX if is_newer else wanted.max_pages):
            return Reach.MAX_PAGES
        return None
