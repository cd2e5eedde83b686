"""Counts what became of calls, by minute, for the last hour."""

from collections import Counter
from collections.abc import Iterable, Mapping

from core.api.limits import SECOND
from core.api.usage import EndpointCounts

MINUTE = 60 * SECOND

#: Of so many minutes counts are kept.
MINUTES = 60


class Counts:
    """The counts of one process."""

    def __init__(self) -> None:
        self._minutes: dict[int, Counter[str]] = {}

    def add(self, now: int, endpoint: str, what: str, amount: int = 1) -> None:
        """Count something that happened now, in microseconds."""
        minute = now // MINUTE
        if minute not in self._minutes:
            self._minutes[minute] = Counter()
            for old in [known for known in self._minutes if known <= minute - MINUTES]:
                del self._minutes[old]
        self._minutes[minute][field(what, endpoint)] += amount

    def by_endpoint(self, now: int) -> dict[str, EndpointCounts]:
        """Return what was counted in the last hour."""
        first = now // MINUTE - MINUTES
        return totals(counts for minute, counts in self._minutes.items() if minute > first)


def field(what: str, endpoint: str) -> str:
    """Return under which name something is counted."""
    return f"{what} {endpoint}"


def totals(minutes: Iterable[Mapping[str, int]]) -> dict[str, EndpointCounts]:
    """Add up counts by their names; endpoints in alphabetical order."""
    found: dict[str, Counter[str]] = {}
    for counts in minutes:
        for name, amount in counts.items():
            what, _, endpoint = name.partition(" ")
            found.setdefault(endpoint, Counter())[what] += amount
    return {endpoint: _read(found[endpoint]) for endpoint in sorted(found)}


def _read(counts: Mapping[str, int]) -> EndpointCounts:
    return EndpointCounts(
        sent=counts["sent"],
        waited=counts["waited"],
        waited_ms=counts["waited_us"] / 1000,
        deferred=counts["deferred"],
        rate_limited=counts["rate_limited"],
        hits=counts["hits"],
    )
