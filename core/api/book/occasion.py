"""How old an answer may be, by why it is asked for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.api.book.records import LIFE, SECOND, Micros
from core.api.book.search import Wanted

#: An event can overtake what the API shows: for so long, what it tells of may still appear.
VISIBLE_WITHIN = timedelta(minutes=10)

#: How old a copy may be where nothing says what it is for.
_CASUAL_AGE: Micros = 10 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Occasion:
    """The event on whose occasion calls are made: it says how old their answers may be.

    Attributes:
        received_at: When it came.
        created_at: When it was made, if it says so.
        fresh_since: What was asked for before this is too old: when it came, or when what was
            seen then turned out not to do.
        is_order_new: It tells of a new order: then any copy of an order will do.
    """

    received_at: datetime
    created_at: datetime | None = None
    fresh_since: datetime | None = None
    is_order_new: bool = False

    def is_recent(self, now: datetime) -> bool:
        """Tell whether what it tells of may still be on its way into the lists."""
        return now - self.received_at < VISIBLE_WITHIN


def wanted_on(
    occasion: Occasion | None,
    fresh_since: datetime | None,
    *,
    max_pages: int,
    any_copy: bool = False,
    oldest: datetime | None = None,
) -> Wanted:
    """Say what will do on an occasion; None where a program calls of its own accord.

    Args:
        occasion: Why calls are made.
        fresh_since: The caller's own bound, which goes before the occasion's.
        max_pages: How many pages may be read.
        any_copy: Whether copies from before a new order's event will do.
        oldest: What was created before this isn't looked for.
    """
    if occasion is None:
        bound = micros(fresh_since) if fresh_since else 0
        return Wanted(
            _CASUAL_AGE if fresh_since is None else LIFE,
            bound,
            max_pages=max_pages,
            oldest=micros(oldest) if oldest else None,
        )
    came = micros(fresh_since or occasion.fresh_since or occasion.received_at)
    may_be_older = any_copy and occasion.is_order_new and fresh_since is None
    return Wanted(
        LIFE,
        0 if may_be_older else came,
        absent_since=came,
        max_pages=max_pages,
        at_least_until=micros(occasion.created_at or occasion.received_at),
        oldest=micros(oldest) if oldest else None,
    )


def as_utc(moment: datetime) -> datetime:
    """Return an aware time in UTC; a naive one is taken for UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def micros(moment: datetime) -> Micros:
    """Return a time as a book has it."""
    return (as_utc(moment) - _EPOCH) // timedelta(microseconds=1)
