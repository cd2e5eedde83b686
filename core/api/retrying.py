"""Whether a failed try is followed by another, decided without doing anything."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.api.errors import ApiError, BudgetSpent, EcomLinxError, Unreachable

#: A request is sent at most this often in one call.
TRIES = 3

#: Seconds that one call may sleep because EcomLinx asked for it; longer is the caller's to wait.
LONGEST_ASKED_WAIT = 2.0

#: The longest Retry-After that is believed, in seconds. The documented windows are a minute.
LONGEST_RETRY_AFTER = 3600.0

_FIRST_WAIT = 0.2
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


def may_be_done(failure: EcomLinxError) -> bool:
    """Tell whether the request may have been carried out although it failed.

    Not documented: we assume that EcomLinx has changed nothing where it answers 4xx.
    """
    if isinstance(failure, Unreachable):
        return failure.sent
    return not isinstance(failure, ApiError) or failure.status >= 500


def seconds_before_next(
    failure: EcomLinxError,
    *,
    repeatable: bool,
    tries: int,
    asked: float,
    left: float,
    jitter: float,
) -> float | None:
    """Return the seconds to wait before the next try, or None when there is to be none.

    Args:
        failure: How the last try ended.
        repeatable: Whether doing it twice has the same effect as doing it once.
        tries: How many there have been.
        asked: Seconds already waited in this call because EcomLinx asked for it.
        left: Seconds until the call must have ended.
        jitter: Random, from 0 to 1; spreads callers that failed together.
    """
    if tries >= TRIES or not _is_transient(failure):
        return None
    if may_be_done(failure) and not repeatable:
        return None
    backoff = _FIRST_WAIT * 2 ** (tries - 1) * (1 + jitter) / 2
    wait = backoff
    if isinstance(failure, ApiError) and failure.retry_after is not None:
        if asked + failure.retry_after > LONGEST_ASKED_WAIT:
            return None
        wait = failure.retry_after + _FIRST_WAIT * jitter
    return wait if wait < left else None


def asked_wait(failure: EcomLinxError) -> float:
    """Return the seconds that EcomLinx asked to wait, 0 where it didn't."""
    return (failure.retry_after or 0.0) if isinstance(failure, ApiError) else 0.0


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """Read a Retry-After header as seconds from 0 to an hour; None where it says nothing usable.

    EcomLinx documents the header, not its form: both of HTTP's are read, seconds and a date.
    """
    if not header:
        return None
    seconds = _as_number(header)
    if seconds is None:
        moment = parse_http_date(header)
        seconds = (moment - now).total_seconds() if moment else None
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def parse_http_date(header: str | None) -> datetime | None:
    """Read a header that holds a date, as aware UTC; None for anything else."""
    try:
        moment = parsedate_to_datetime(header or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _is_transient(failure: EcomLinxError) -> bool:
    if isinstance(failure, BudgetSpent):
        # It has waited as long as it may.
        return False
    if isinstance(failure, ApiError):
        return failure.status in _TRANSIENT
    return isinstance(failure, Unreachable)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
