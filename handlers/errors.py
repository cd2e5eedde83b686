"""How a handler says what should become of its delivery, other than by returning."""

_YEAR_SECONDS = 365 * 24 * 3600


class Skip(Exception):  # noqa: N818 - a verdict, not a fault
    """There is nothing to do for this event. The delivery becomes `skipped`."""


class Retry(Exception):  # noqa: N818
    """Try again later. The delivery becomes `retrying`.

    Args:
        reason: What the ledger says of this attempt.
        after: Seconds until the next attempt, at most a year; by default the backoff decides.
    """

    def __init__(
        self, reason: str = "the handler asked for another attempt", *, after: float | None = None
    ) -> None:
        if after is not None and not 0 <= after <= _YEAR_SECONDS:
            raise ValueError("after: seconds until the next attempt, from 0 to those of a year")
        super().__init__(reason)
        self.after = after


class Fail(Exception):  # noqa: N818
    """No further attempt can help. The delivery becomes `dead`, and somebody is told."""


class UnexpectedPayloadError(Fail):
    """The event's `data` isn't what this version knows of such events."""


class UncertainStepError(Exception):
    """A step began and nobody knows whether it took effect; it is not repeated by itself."""

    def __init__(self, step: str) -> None:
        super().__init__(
            f"step {step!r} began in an earlier attempt or call, and whether it took effect is"
            " unknown: it is not repeated by itself"
        )
        self.step = step
