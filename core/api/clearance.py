"""What lets a call's requests go: the time that they have, and a permit got ahead of the first."""

import math
import time
from collections.abc import Callable

from core.api.calls import Request
from core.api.gate import Gate, Permit

#: Seconds after which a permit that hasn't been used no longer tells when the request arrives.
_FRESH_SECONDS = 0.5


class Clearance:
    """What lets the requests of one call go; for one thread.

    Args:
        gate: Where its requests wait.
        request: What is sent.
        timeout: Seconds that the call may take, waits included.
        caller_deadline: When its caller's own time is over, by `time.monotonic`.
    """

    def __init__(
        self,
        gate: Gate,
        request: Request,
        timeout: float,
        caller_deadline: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.deadline = time.monotonic() + timeout
        self._caller_deadline = caller_deadline
        self._gate = gate
        self._request = request
        self._permit: Permit | None = None
        self._got_at = 0.0

    def await_it(self) -> None:
        """Wait for the first permit, before anything is done that would have to be undone.

        Raises:
            BudgetSpent: There is none in time.
        """
        self._permit = self._admit()
        self._got_at = time.monotonic()

    def begin(self) -> None:
        """Begin the call: what its caller did since it had the permit takes none of its time."""
        if self._permit is not None:
            self.deadline += time.monotonic() - self._got_at

    def permit(self) -> Permit:
        """Return a permit to send the request once.

        Raises:
            BudgetSpent: There is none in time.
        """
        permit, self._permit = self._permit, None
        if permit is not None and time.monotonic() - self._got_at <= _FRESH_SECONDS:
            return permit
        if permit is not None:
            permit.done()
        return self._admit()

    def end(self) -> None:
        """Give up a permit that wasn't used."""
        if self._permit is not None:
            self._permit.done()

    @property
    def seconds_to_wait(self) -> float:
        """How long it may still wait before it is sent, or sent again.

        A request that is under way may outlast its caller: to cut it off would leave in doubt what
        became of it.
        """
        return min(self.deadline, self._caller_deadline()) - time.monotonic()

    def _admit(self) -> Permit:
        over_in_seconds = self.deadline - time.monotonic()
        return self._gate.admit(self._request, self.seconds_to_wait, over_in_seconds)
