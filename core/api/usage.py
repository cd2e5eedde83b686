"""How much of the API budget is used, and for what."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """One of the plan's windows, now.

    Attributes:
        calls: How many calls it allows.
        seconds: How long it is.
        used: How many are in it now, those that wait for their turn included.
    """

    calls: int
    seconds: float
    used: int

    @property
    def left(self) -> int:
        """How many calls could be sent now."""
        return max(0, self.calls - self.used)


@dataclass(frozen=True, slots=True)
class EndpointCounts:
    """What became of the calls to one endpoint.

    Attributes:
        sent: Requests that were let through, tries included.
        waited: How many of them had to wait for their turn.
        waited_ms: How long these waited together, in milliseconds.
        deferred: Requests that were not sent, as their turn was too far away.
        rate_limited: 429s that came from EcomLinx all the same.
        hits: Calls that were spared, as their answer was at hand.
    """

    sent: int = 0
    waited: int = 0
    waited_ms: float = 0.0
    deferred: int = 0
    rate_limited: int = 0
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """The state of a budget.

    Attributes:
        windows: Each of the plan's windows.
        paused_seconds: For how long nobody may call any more, as EcomLinx answered 429.
        endpoints: Counts of the last hour by endpoint, such as ``GET /v1/orders``.
        shared: Whether every process was counted; False where only this one could be.
    """

    windows: tuple[WindowUsage, ...] = ()
    paused_seconds: float = 0.0
    endpoints: Mapping[str, EndpointCounts] = field(default_factory=dict)
    shared: bool = False
