"""Whose turn it is, among the threads of one process."""

import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from core.api.budget.counting import Counts
from core.api.budget.turns import (
    NAP,
    NAP_GRACE,
    SHADOW_GRACE,
    SHADOW_LIFE,
    SHADOWS_MAX,
    SOON,
    Ask,
    Kind,
    Verdict,
)
from core.api.gate import Priority
from core.api.limits import SECOND, Limit, earliest, longest, reconcile_limit
from core.api.usage import Usage, WindowUsage

Clock = Callable[[], int]


def wall_clock() -> Clock:
    """Return a clock in microseconds since 1970 that is never set back."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (offset + time.monotonic_ns()) // 1000


class LocalTurns:
    """The turns of one process; the rules are those of `core.api.budget.redis_scripts`, in Python.

    A call in flight may arrive at any time, so it counts as though it were sent now, until it is
    done: from then on it counts as sent at that moment. So no more calls than allowed can arrive
    within any window, however long they take.

    Args:
        limits: How many calls are allowed.
        clock: Returns the time in microseconds.
        taken: So many calls count as made now.
        flying: Calls that are under way, and when they are certain not to arrive any more.
        paused: Nobody goes before that many microseconds are over.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        clock: Clock | None = None,
        *,
        taken: int = 0,
        flying: Mapping[str, int] | None = None,
        paused: int = 0,
    ) -> None:
        self._limits = limits
        self._clock = clock or wall_clock()
        self._lock = threading.Lock()
        now = self._clock()
        self._paused_until = now + paused
        #: When calls were done, by time.
        self._sent: list[int] = [now] * taken
        #: When calls are certain not to arrive any more, by call.
        self._flying = dict(flying or {})
        #: Those who wait, by ticket; and when each is to ask again.
        self._queue: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        #: Those who were sent away: their tickets in order; ticket and time to come back by caller.
        self._away: list[int] = []
        self._shadows: dict[str, tuple[int, int]] = {}
        self._reconciled: dict[str, int] = {}
        self._counts = Counts()

    def ask(self, ask: Ask) -> Verdict:
        """Answer a caller."""
        with self._lock:
            now = self._clock()
            self._tidy(now)
            if ask.call in self._flying:
                return Verdict(Kind.GO, 0, ask.ticket, inside=True)
            ask = self._admitted(ask, now)
            verdict = self._decide(ask, now)
            self._count(ask, verdict, now)
            return verdict

    def done(self, call: str) -> None:
        """Take note that a call has been answered, or won't be."""
        with self._lock:
            now = self._clock()
            self._tidy(now)
            if self._flying.pop(call, None) is not None:
                insort(self._sent, now)
            if call in self._reconciled:
                self._reconciled[call] = now

    def pause(self, endpoint: str, duration: int) -> None:
        """Let nobody go for so long."""
        with self._lock:
            now = self._clock()
            self._paused_until = max(self._paused_until, now + duration)
            self._counts.add(now, endpoint, "rate_limited")

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared."""
        with self._lock:
            self._counts.add(self._clock(), endpoint, "hits")

    def usage(self) -> Usage:
        """Return how much is used, and for what."""
        with self._lock:
            now = self._clock()
            self._tidy(now)
            return Usage(
                tuple(
                    WindowUsage(limit.calls, limit.seconds, self._used(limit, now))
                    for limit in self._limits
                ),
                max(0, self._paused_until - now) / SECOND,
                self._counts.by_endpoint(now),
            )

    def _used(self, limit: Limit, now: int) -> int:
        left = bisect_right(self._sent, now - limit.length)
        return len(self._sent) - left + len(self._flying) + len(self._queue)

    def _tidy(self, now: int) -> None:
        for call in [call for call, until in self._flying.items() if until <= now]:
            insort(self._sent, self._flying.pop(call))
        window = longest(self._limits).length
        del self._sent[: bisect_right(self._sent, now - window)]
        for call in [call for call, due in self._due.items() if due <= now - NAP_GRACE]:
            self._leave(call)
        for caller in [
            name for name, (_, due) in self._shadows.items() if due <= now - SHADOW_LIFE
        ]:
            self._forget(caller)
        for call in [call for call, at in self._reconciled.items() if at <= now - window]:
            del self._reconciled[call]

    def _admitted(self, ask: Ask, now: int) -> Ask:
        """Give a caller its ticket: the one it had when it was sent away, or a new one."""
        if ask.ticket:
            return ask
        shadow = self._forget(ask.caller)
        return replace(ask, ticket=shadow or now, inside=shadow is not None)

    def _decide(self, ask: Ask, now: int) -> Verdict:
        if ask.priority is Priority.RECONCILE:
            at = self._reconcile_time(ask, now)
        else:
            self._enqueue(ask, now)
            at = self._time(ask, now, ask.inside)
        if at <= now:
            self._leave(ask.call)
            self._forget(ask.caller)
            self._flying[ask.call] = now + ask.flight
            return Verdict(Kind.GO, 0, ask.ticket, inside=True)
        if at - now <= ask.patience:
            if ask.priority is not Priority.RECONCILE:
                self._due[ask.call] = min(at, now + NAP)
            return Verdict(Kind.WAIT, at - now, ask.ticket, ask.inside)
        self._leave(ask.call)
        return self._send_away(ask, at, now)

    def _time(self, ask: Ask, now: int, inside: bool) -> int:
        ahead = bisect_left(self._queue, (ask.ticket, ask.call))
        if not inside:
            ahead += self._shadows_before(ask.ticket, now)
        return self._earliest(ahead, now)

    def _earliest(self, ahead: int, now: int) -> int:
        length = len(self._sent) + len(self._flying)

        def at(rank: int) -> int:
            return self._sent[rank] if rank < len(self._sent) else now

        base = max(now, self._paused_until)
        return earliest(length + ahead, self._limits, length, at, base)

    def _reconcile_time(self, ask: Ask, now: int) -> int:
        at = self._earliest(0, now)
        limit = reconcile_limit(self._limits)
        times = sorted(self._reconciled.values())
        if len(times) >= limit.calls:
            at = max(at, times[-limit.calls] + limit.length)
        returning = sum(now - SHADOW_GRACE < due <= now + SOON for _, due in self._shadows.values())
        if self._queue or returning:
            at = max(at, now + NAP)
        if at <= now:
            self._reconciled[ask.call] = now
        return at

    def _shadows_before(self, ticket: int, now: int) -> int:
        older = bisect_left(self._away, ticket)
        overdue = sum(due <= now - SHADOW_GRACE for _, due in self._shadows.values())
        return max(0, older - overdue)

    def _send_away(self, ask: Ask, at: int, now: int) -> Verdict:
        if ask.caller and ask.priority is not Priority.RECONCILE:
            ahead = len(self._queue) + self._shadows_before(ask.ticket, now)
            at = max(at, self._earliest(ahead, now))
            self._forget(ask.caller)
            if len(self._shadows) < SHADOWS_MAX:
                self._shadows[ask.caller] = ask.ticket, at
                insort(self._away, ask.ticket)
        return Verdict(Kind.LEAVE, at - now, ask.ticket, ask.inside)

    def _enqueue(self, ask: Ask, now: int) -> None:
        if ask.call not in self._due:
            insort(self._queue, (ask.ticket, ask.call))
        self._due[ask.call] = now + NAP

    def _leave(self, call: str) -> None:
        if self._due.pop(call, None) is not None:
            self._queue = [place for place in self._queue if place[1] != call]

    def _forget(self, caller: str) -> int | None:
        """Take a caller's place among those who were sent away; its ticket, if it had one."""
        ticket, _ = self._shadows.pop(caller, (None, 0))
        if ticket is not None:
            self._away.remove(ticket)
        return ticket

    def _count(self, ask: Ask, verdict: Verdict, now: int) -> None:
        if verdict.kind is Kind.LEAVE:
            self._counts.add(now, ask.endpoint, "deferred")
        if verdict.kind is Kind.GO:
            self._counts.add(now, ask.endpoint, "sent")
            if ask.waited:
                self._counts.add(now, ask.endpoint, "waited")
                self._counts.add(now, ask.endpoint, "waited_us", ask.waited)
