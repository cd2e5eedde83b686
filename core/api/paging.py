"""Walks the pages of a list that may change meanwhile."""

from collections.abc import Callable, Iterator
from itertools import count

from core.api.errors import UnexpectedResponse
from core.api.models import E, Page

#: The documented maximum.
PAGE_SIZE = 100

#: Pages in a row without a new entry that are put down to a busy list.
_STALE_PAGES_MAX = 3


def fresh_pages(fetch: Callable[[int], Page[E]], request: str) -> Iterator[tuple[E, ...]]:
    """Yield the entries of each page that no earlier page had, page by page.

    New entries push others onto the next page, and those are not given twice. Entries that leave
    the list pull others onto a page that has been read: these can't be seen.

    Args:
        fetch: Returns the page of a number; the first is 1.
        request: Method and path, for the error.

    Raises:
        UnexpectedResponse: The pages repeat without end.
    """
    seen: set[str] = set()
    stale_pages = 0
    for number in count(1):
        page = fetch(number)
        fresh = {entry.id: entry for entry in page.data if entry.id not in seen}
        seen.update(fresh)
        if fresh:
            yield tuple(fresh.values())
        if _is_last(page, len(fresh), len(seen)):
            return
        stale_pages = 0 if fresh else stale_pages + 1
        if stale_pages == _STALE_PAGES_MAX:
            raise UnexpectedResponse(
                f"pages repeat after {len(seen)} of {page.meta.total} entries", request
            )


def _is_last(page: Page[E], fresh: int, seen: int) -> bool:
    """Tell whether nothing follows; a full page with something new is never the last.

    `meta.total` may change, or lag, while the pages are walked, so it never ends the walk alone.
    """
    if not page.data:
        return True
    return (len(page.data) < PAGE_SIZE or not fresh) and seen >= page.meta.total


def ends_list(page: Page[E], number: int) -> bool:
    """Tell whether nothing follows the page of this number, by itself.

    Where less than asked for comes on each page, `meta.limit` says so, we assume.
    """
    if not page.data:
        return True
    size = min(max(page.meta.limit, 1), PAGE_SIZE)
    return len(page.data) < PAGE_SIZE and size * (number - 1) + len(page.data) >= page.meta.total
