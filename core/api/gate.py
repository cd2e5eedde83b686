"""Where requests wait for their turn; the seam for limits that threads and processes share."""

from enum import StrEnum
from typing import Protocol

from core.api.calls import Request
from core.api.usage import Usage


class Priority(StrEnum):
    """Who goes first when there is not enough for all."""

    HANDLERS = "handlers"
    RECONCILE = "reconcile"


class Permit(Protocol):
    """The right to send one request; each must be ended with `done`."""

    @property
    def waited_ms(self) -> float:
        """How long it was waited for, in milliseconds."""

    def done(self) -> None:
        """Say that the answer came, or that none will; never raises."""


class Gate(Protocol):
    """Decides when a request may be sent. Thread-safe."""

    def admit(
        self, request: Request, within_seconds: float, over_in_seconds: float | None = None
    ) -> Permit:
        """Return once `request` may be sent.

        Args:
            request: What is to be sent.
            within_seconds: The longest that this may take.
            over_in_seconds: When the whole exchange is over at the latest; by default, then.

        Raises:
            BudgetSpent: Not in that time; `retry_after` says when.
        """

    def rate_limited(self, request: Request, retry_after_seconds: float | None) -> None:
        """Take note that EcomLinx answered a request with 429."""

    def for_caller(self, identity: str, priority: Priority = Priority.HANDLERS) -> "Gate":
        """Return the same gate, as one attempt of one caller goes through it.

        Args:
            identity: Who calls, the same in each of its attempts, such as ``evt_1/ship``. A caller
                that was refused and comes back when it was told to goes before those who are new.
            priority: Whom it must let go first.
        """

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared, such as ``GET /v1/orders``: its answer was at hand."""

    def usage(self) -> Usage:
        """Return how much of the budget is used now, and what it was used for."""


class OpenPermit:
    """A permit that nobody counts."""

    waited_ms = 0.0

    def done(self) -> None:
        """Do nothing."""


class OpenGate:
    """Lets everything through at once."""

    def admit(
        self,
        request: Request,  # noqa: ARG002
        within_seconds: float,  # noqa: ARG002
        over_in_seconds: float | None = None,  # noqa: ARG002
    ) -> Permit:
        """Return at once."""
        return OpenPermit()

    def rate_limited(self, request: Request, retry_after_seconds: float | None) -> None:
        """Do nothing: nobody shares it."""

    def for_caller(
        self,
        identity: str,  # noqa: ARG002
        priority: Priority = Priority.HANDLERS,  # noqa: ARG002
    ) -> "OpenGate":
        """Return itself: everybody is alike."""
        return self

    def count_hit(self, endpoint: str) -> None:
        """Do nothing: nothing is counted."""

    def usage(self) -> Usage:
        """Return a budget without limits."""
        return Usage()
