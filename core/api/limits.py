"""How many calls a key may make, and from when on the next one fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Plan = Literal["scale", "pro"]

#: Microseconds in a second: whole numbers, so that Redis and this process reckon alike.
SECOND = 1_000_000

#: By so much longer are windows taken than they are: clocks on two hosts don't run quite alike.
_DRIFT = 0.0005
_MARGIN = 1_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` within any `seconds`."""

    calls: int
    seconds: float

    @property
    def length(self) -> int:
        """Microseconds that a call is taken to be in the window."""
        return round(self.seconds * SECOND * (1 + _DRIFT)) + _MARGIN


#: As EcomLinx documents them. That windows slide is not documented; it is the strictest reading.
PLAN_LIMITS: dict[Plan, tuple[Limit, ...]] = {
    "scale": (Limit(1000, 60.0), Limit(100, 1.0)),
    "pro": (Limit(200, 60.0), Limit(20, 1.0)),
}

#: The part of the longest window that reconciliation may take.
_RECONCILE_SHARE = 0.1


def earliest(
    rank: int, limits: Sequence[Limit], length: int, at: Callable[[int], int], base: int
) -> int:
    """Return when the call of a rank fits into every window, at the earliest, in microseconds.

    Calls that are there have the ranks from 0 to `length` - 1, by time. Those between them and
    `rank` are to come, each as early as it may. The call of rank r fits a window of N calls once
    the call of rank r - N has left it; where that one is to come too, it follows the same rule.

    Args:
        rank: The call's rank.
        limits: All of them hold.
        length: How many calls are there.
        at: Returns the time of the call of a rank that is there, in microseconds.
        base: The time before which no call may be sent.
    """
    times = [base]
    for limit in limits:
        turns = max(0, (rank - length) // limit.calls)
        before = rank - (turns + 1) * limit.calls
        first = max(base, at(before) + limit.length) if before >= 0 else base
        times.append(first + turns * limit.length)
    return max(times)


def longest(limits: Sequence[Limit]) -> Limit:
    """Return the limit with the longest window."""
    return max(limits, key=lambda limit: limit.seconds)


def reconcile_limit(limits: Sequence[Limit]) -> Limit:
    """Return what reconciliation may take of the longest window."""
    whole = longest(limits)
    return Limit(max(1, int(whole.calls * _RECONCILE_SHARE)), whole.seconds)


def share_of(limits: Sequence[Limit], sharers: int) -> tuple[Limit, ...]:
    """Return what each of so many processes may use that know nothing of each other."""
    return tuple(
        Limit(limit.calls // sharers, limit.seconds)
        if limit.calls >= sharers
        else Limit(1, limit.seconds * sharers / limit.calls)
        for limit in limits
    )


def most_within(limits: Sequence[Limit], seconds: float) -> int:
    """Return how many calls there can be at most within so many seconds."""
    return min(limit.calls * (1 + int(seconds / limit.seconds)) for limit in limits)
