"""A gate that does as the test says."""

import threading
from collections import deque
from collections.abc import Callable

from core.api import BudgetSpent
from core.api.calls import Request
from core.api.gate import OpenGate, OpenPermit, Priority


class CountedPermit(OpenPermit):
    """A permit that tells its gate when it is ended."""

    def __init__(self, gate: "ScriptedGate") -> None:
        self._gate = gate

    def done(self) -> None:
        """Be counted."""
        self._gate.ended += 1


class ScriptedGate(OpenGate):
    """Refuses as many requests as it is told to, each for its own time, then lets all through.

    Attributes:
        callers: Who came, in order; each attempt once, however many calls it makes.
        admitted: How many requests were let through.
        ended: How many permits were ended.
        patience: How long the latest request would have waited, in seconds.
        over_in: When its exchange was to be over, in seconds.
        on_admit: Called each time that a request comes.
    """

    def __init__(self, *refusals: float) -> None:
        self.callers: list[str] = []
        self.admitted = 0
        self.ended = 0
        self.patience = 0.0
        self.over_in: float | None = None
        self.on_admit: Callable[[], object] = lambda: None
        self._refusals = deque(refusals)
        self._lock = threading.Lock()

    def refuse(self, *seconds: float) -> None:
        """Refuse further requests."""
        self._refusals.extend(seconds)

    def admit(
        self,
        request: Request,
        within_seconds: float,
        over_in_seconds: float | None = None,
    ) -> OpenPermit:
        """Let a request through, or refuse it if the script says so."""
        self.on_admit()
        self.patience, self.over_in = within_seconds, over_in_seconds
        with self._lock:
            if self._refusals:
                raise BudgetSpent(str(request), self._refusals.popleft())
            self.admitted += 1
        return CountedPermit(self)

    def for_caller(
        self,
        identity: str,
        priority: Priority = Priority.HANDLERS,  # noqa: ARG002
    ) -> "ScriptedGate":
        """Take note of who calls."""
        self.callers.append(identity)
        return self
