"""A gate that does as the test says."""

import threading
from collections import deque

from core.api import BudgetSpent
from core.api.calls import Request
from core.api.gate import OpenGate, OpenPermit, Priority


class ScriptedGate(OpenGate):
    """Refuses as many requests as it is told to, each for its own time, then lets all through.

    Attributes:
        callers: Who came, in order; each attempt once, however many calls it makes.
    """

    def __init__(self, *refusals: float) -> None:
        self.callers: list[str] = []
        self._refusals = deque(refusals)
        self._lock = threading.Lock()

    def refuse(self, *seconds: float) -> None:
        """Refuse further requests."""
        self._refusals.extend(seconds)

    def admit(self, request: Request, within_seconds: float) -> OpenPermit:  # noqa: ARG002
        """Let a request through, or refuse it if the script says so."""
        with self._lock:
            if self._refusals:
                raise BudgetSpent(str(request), self._refusals.popleft())
        return OpenPermit()

    def for_caller(
        self,
        identity: str,
        priority: Priority = Priority.HANDLERS,  # noqa: ARG002
    ) -> "ScriptedGate":
        """Take note of who calls."""
        self.callers.append(identity)
        return self
