"""Turns that all processes share through Redis; while it is away, each keeps to a share."""

import secrets
import threading
from collections.abc import Sequence

import redis
import structlog

from core.api.budget.hits import Hits
from core.api.budget.local_turns import LocalTurns, wall_clock
from core.api.budget.own_calls import OwnCalls
from core.api.budget.redis_turns import HistoryLostError, RedisTurns, Seen
from core.api.budget.turns import NAP, Ask, Kind, Verdict
from core.api.limits import SECOND, Limit, most_within, share_of
from core.api.usage import Usage

#: So many processes are assumed to share a key until Redis has said how many there are.
_SHARERS_ASSUMED = 8

#: How often it is looked whether Redis is back.
_PROBE_SECONDS = 1.0

#: When Redis is back, nobody goes before each process has found out, and told of its calls: it
#: looks every second, and waits for an answer for another.
_HOLD = round(2.2 * SECOND)

log = structlog.get_logger()


class SteadyTurns:
    """The turns of all processes, and of this one alone while Redis is away. Thread-safe.

    When Redis goes, what was left at its last answer, less what others may have taken since, is
    shared by the processes that Redis knew; once the longest window has passed, so is the whole.
    When it is back, each process tells of its calls before any goes on.

    Args:
        shared: The turns of all.
        limits: How many calls are allowed.
    """

    def __init__(self, shared: RedisTurns, limits: Sequence[Limit]) -> None:
        self._shared = shared
        self._limits = tuple(limits)
        self._clock = wall_clock()
        self._own = OwnCalls(self._limits, self._clock)
        self._hits = Hits()
        self._process = secrets.token_urlsafe(9)
        self._lock = threading.Lock()
        self._alone: LocalTurns | None = None
        self._is_returning = False
        #: What Redis has told, and when it was asked.
        self._seen: tuple[Seen, int] | None = None
        self._closed = threading.Event()

    def ask(self, ask: Ask) -> Verdict:
        """Answer a caller."""
        verdict = self._ask_alone(ask)
        if verdict is not None:
            return verdict
        try:
            verdict = self._ask_redis(ask)
        except redis.RedisError as error:
            self._go_alone(error)
            return self.ask(ask)
        if verdict.kind is Kind.GO:
            self._own.begun(ask.call, ask.flight)
        return verdict

    def done(self, call: str) -> None:
        """Take note that a call has been answered, or won't be."""
        self._own.done(call)
        if alone := self._alone:
            alone.done(call)
            return
        try:
            self._shared.done(call)
        except redis.RedisError as error:
            self._go_alone(error)

    def pause(self, endpoint: str, duration: int) -> None:
        """Let nobody go for so long: EcomLinx answered 429."""
        if alone := self._alone:
            alone.pause(endpoint, duration)
            return
        try:
            self._shared.pause(endpoint, duration)
        except redis.RedisError as error:
            self._go_alone(error)
            self.pause(endpoint, duration)

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared; Redis is told twice a second at most."""
        self._hits.add(endpoint)
        if self._hits.are_due and self._alone is None:
            self._tell_hits()

    def usage(self) -> Usage:
        """Return how much is used, and for what."""
        if alone := self._alone:
            return alone.usage()
        try:
            self._hits.tell(self._shared)
            return self._shared.usage()
        except redis.RedisError as error:
            self._go_alone(error)
            return self.usage()

    def close(self) -> None:
        """Look no longer whether Redis is back, and tell it what it has not been told."""
        self._closed.set()
        if self._alone is None:
            self._tell_hits()

    def _ask_alone(self, ask: Ask) -> Verdict | None:
        # Within the lock: what is let through here is told to Redis when it is back.
        with self._lock:
            if self._is_returning:
                kind = Kind.WAIT if ask.patience > 0 else Kind.LEAVE
                return Verdict(kind, NAP // 5, ask.ticket, ask.inside)
            if self._alone is None:
                return None
            verdict = self._alone.ask(ask)
            if verdict.kind is Kind.GO:
                self._own.begun(ask.call, ask.flight)
            return verdict

    def _ask_redis(self, ask: Ask) -> Verdict:
        asked = self._clock()
        epoch = self._seen[0].epoch if self._seen else ""
        try:
            verdict, seen = self._shared.ask(ask, self._process, epoch)
        except HistoryLostError:
            log.warning("api_budget_forgotten", calls=len(self._own.sent()))
            self._shared.restore(self._own.sent(), self._own.flying(), _HOLD)
            verdict, seen = self._shared.ask(ask, self._process, "")
        self._seen = seen, asked
        if self._hits.are_due:
            self._hits.tell(self._shared)
        return verdict

    def _tell_hits(self) -> None:
        try:
            self._hits.tell(self._shared)
        except redis.RedisError as error:
            self._go_alone(error)

    def _go_alone(self, error: redis.RedisError) -> None:
        with self._lock:
            if self._alone is not None:
                return
            self._alone = self._share()
            if not self._closed.is_set():
                threading.Thread(target=self._await_redis, name="api-budget", daemon=True).start()
        log.warning("api_budget_alone", sharers=self._sharers, error=str(error))

    @property
    def _sharers(self) -> int:
        return max(1, self._seen[0].sharers) if self._seen else _SHARERS_ASSUMED

    def _share(self) -> LocalTurns:
        shares = share_of(self._limits, self._sharers)
        flying = {call: self._clock() + left for call, left in self._own.flying()}
        if self._seen is None:
            return LocalTurns(shares, self._clock, flying=flying)
        seen, asked = self._seen
        unknown = most_within(self._limits, (self._clock() - asked) / SECOND)
        free = [max(0, left - unknown) // self._sharers for left in seen.left]
        # What others have sent in the shortest window is gone soon: until then, nobody goes.
        shortest = min(shares, key=lambda limit: limit.seconds)
        taken = max(
            (
                share.calls - min(share.calls, room)
                for share, room in zip(shares, free, strict=True)
                if share is not shortest
            ),
            default=0,
        )
        return LocalTurns(shares, self._clock, taken=taken, flying=flying, paused=shortest.length)

    def _await_redis(self) -> None:
        while not self._closed.wait(_PROBE_SECONDS):
            if self._is_back():
                log.info("api_budget_shared_again")
                return

    def _is_back(self) -> bool:
        try:
            self._shared.restore([], [], 0)
            self._is_returning = True
            with self._lock:
                flying = self._own.flying()
            self._shared.restore(self._own.sent(), flying, _HOLD)
            for call, _ in flying:
                if not self._own.is_flying(call):
                    self._shared.done(call)
            self._alone = None
        except redis.RedisError:
            return False
        finally:
            self._is_returning = False
        return True
