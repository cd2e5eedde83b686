"""A gate at which callers wait for their turn, or are told when to come back."""

import hashlib
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from core.api.budget.local_turns import LocalTurns
from core.api.budget.turns import DEFAULT_PAUSE_SECONDS, NAP, Ask, Kind, Turns, Verdict
from core.api.calls import Request
from core.api.errors import BudgetSpent
from core.api.gate import Permit, Priority
from core.api.limits import PLAN_LIMITS, SECOND, Limit, Plan
from core.api.usage import Usage

#: A request is certain not to arrive any more so long after its time is over.
_LAST_BYTES = 1 * SECOND

#: By this part of the longest wait a caller is told to come back before its turn: its way takes
#: a while, too. Who is early waits, but who is late leaves a part of the budget unused.
_EARLY = 1 / 3


@dataclass(slots=True)
class Caller:
    """Who goes through the gate, and how far it has come."""

    identity: str = ""
    priority: Priority = Priority.HANDLERS
    ticket: int = 0
    inside: bool = False

    def note(self, verdict: Verdict) -> None:
        """Remember what it was told."""
        self.ticket, self.inside = verdict.ticket, verdict.inside


class WaitingGate:
    """Lets requests through when it is their turn. Thread-safe.

    Args:
        turns: Says whose turn it is.
        longest_wait: Who would have to wait for longer, in seconds, is sent away.
    """

    def __init__(self, turns: Turns, longest_wait: float) -> None:
        self._turns = turns
        self._longest_wait = longest_wait
        self._early = longest_wait * _EARLY if math.isfinite(longest_wait) else 0.0
        self._name = secrets.token_urlsafe(6)
        self._numbers = count(1)

    def admit(
        self, request: Request, within_seconds: float, over_in_seconds: float | None = None
    ) -> Permit:
        """Return once `request` may be sent; see `Gate`."""
        return self.admit_as(Caller(), request, within_seconds, over_in_seconds)

    def admit_as(
        self,
        caller: Caller,
        request: Request,
        within_seconds: float,
        over_in_seconds: float | None = None,
    ) -> Permit:
        """Return once this caller's request may be sent."""
        over_in = within_seconds if over_in_seconds is None else over_in_seconds
        call, began = f"{self._name}{next(self._numbers):x}", time.monotonic()
        patience, waited = min(within_seconds, self._longest_wait), 0.0
        while True:
            verdict = self._turns.ask(
                Ask(
                    call=call,
                    endpoint=request.endpoint,
                    patience=_micro(patience - waited),
                    flight=_micro(over_in - waited) + _LAST_BYTES,
                    waited=_micro(waited),
                    caller=caller.identity,
                    ticket=caller.ticket,
                    inside=caller.inside,
                    priority=caller.priority,
                )
            )
            caller.note(verdict)
            if verdict.kind is Kind.GO:
                return _Granted(self._turns, call, waited * 1000)
            if verdict.kind is Kind.LEAVE:
                raise BudgetSpent(str(request), self._until_back(verdict.wait))
            time.sleep(min(verdict.wait, NAP) / SECOND)
            waited = time.monotonic() - began

    def _until_back(self, wait: int) -> float:
        """Return in how many seconds to come back whose turn it is after `wait` microseconds."""
        turn = wait / SECOND
        return max(turn - self._early, turn / 2)

    def rate_limited(self, request: Request, retry_after_seconds: float | None) -> None:
        """Let nobody go for as long as EcomLinx says."""
        seconds = DEFAULT_PAUSE_SECONDS if retry_after_seconds is None else retry_after_seconds
        self._turns.pause(request.endpoint, _micro(seconds))

    def for_caller(self, identity: str, priority: Priority = Priority.HANDLERS) -> "CallersGate":
        """Return the same gate, as one attempt of one caller goes through it."""
        return CallersGate(self, Caller(_digest(identity), priority))

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared."""
        self._turns.count_hit(endpoint)

    def usage(self) -> Usage:
        """Return how much of the budget is used now, and what it was used for."""
        return self._turns.usage()


class CallersGate:
    """A gate, as one attempt of one caller goes through it. Thread-safe."""

    def __init__(self, gate: WaitingGate, caller: Caller) -> None:
        self._gate = gate
        self._caller = caller

    def admit(
        self, request: Request, within_seconds: float, over_in_seconds: float | None = None
    ) -> Permit:
        """Return once `request` may be sent; see `Gate`."""
        return self._gate.admit_as(self._caller, request, within_seconds, over_in_seconds)

    def rate_limited(self, request: Request, retry_after_seconds: float | None) -> None:
        """Let nobody go for as long as EcomLinx says."""
        self._gate.rate_limited(request, retry_after_seconds)

    def for_caller(self, identity: str, priority: Priority = Priority.HANDLERS) -> "CallersGate":
        """Return the same gate, as another caller goes through it."""
        return self._gate.for_caller(identity, priority)

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared."""
        self._gate.count_hit(endpoint)

    def usage(self) -> Usage:
        """Return how much of the budget is used now, and what it was used for."""
        return self._gate.usage()


class LocalBudget(WaitingGate):
    """What EcomLinx allows a key, kept to by this process alone.

    Args:
        plan: The key's plan.
        limits: In place of the plan's.
        longest_wait: Who would have to wait for longer, in seconds, is told when to come back. By
            default a call waits as long as its timeout lasts.
    """

    def __init__(
        self,
        plan: Plan = "scale",
        *,
        limits: Sequence[Limit] | None = None,
        longest_wait: float = math.inf,
    ) -> None:
        allowed = PLAN_LIMITS[plan] if limits is None else limits
        super().__init__(LocalTurns(allowed), longest_wait)


@dataclass(frozen=True, slots=True)
class _Granted:
    """The right to send one request."""

    turns: Turns
    call: str
    waited_ms: float

    def done(self) -> None:
        """Say that the answer came, or that none will."""
        self.turns.done(self.call)


def _micro(seconds: float) -> int:
    return round(seconds * SECOND)


def _digest(identity: str) -> str:
    """Return a short name for a caller, which is of the same length for all."""
    return hashlib.blake2b(identity.encode(errors="replace"), digest_size=12).hexdigest()
