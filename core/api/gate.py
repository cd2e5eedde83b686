"""Where requests wait for their turn; the seam for rate limits that processes share."""

from typing import Protocol


class Gate(Protocol):
    """Decides when a request may be sent. Thread-safe."""

    def admit(self, request: str, within_seconds: float) -> None:
        """Return once `request` may be sent.

        Args:
            request: Method and path.
            within_seconds: The longest that this may take.

        Raises:
            RateLimited: Not in that time; `retry_after` says when.
        """

    def rate_limited(self, retry_after_seconds: float | None) -> None:
        """Take note that EcomLinx answered 429."""

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared, such as ``GET /v1/orders``: its answer was at hand."""


class OpenGate:
    """Lets everything through at once."""

    def admit(self, request: str, within_seconds: float) -> None:
        """Return at once."""

    def rate_limited(self, retry_after_seconds: float | None) -> None:
        """Do nothing: nobody shares it."""

    def count_hit(self, endpoint: str) -> None:
        """Do nothing: nothing is counted."""
