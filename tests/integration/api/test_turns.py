"""The rules of the budget, in Redis and in Python: two tellings of the same story."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import hypothesis
from hypothesis import strategies as st

from core.api import Limit, Priority
from core.api.budget.local_turns import LocalTurns
from core.api.budget.redis_turns import RedisTurns
from core.api.budget.turns import Ask, Kind, Verdict
from core.api.limits import SECOND
from tests.support.redis_server import RedisServer

#: Two windows that both matter, as the documented ones do.
LIMITS = (Limit(12, 6.0), Limit(4, 1.0))

START = 1_790_000_000 * SECOND

_numbers = count(1)


class Both:
    """Redis and Python, asked the same at the same time."""

    def __init__(self, server: RedisServer) -> None:
        name = f"both{next(_numbers)}"
        self.now = START
        self._client = server.client()
        self._clock_key = f"clock:{name}"
        clock = (
            f"local function clock() return tonumber(redis.call('GET', '{self._clock_key}')) end\n"
        )
        self.redis = RedisTurns(self._client, LIMITS, name, clock)
        self._local = LocalTurns(LIMITS, lambda: self.now)
        self.advance(0)

    def advance(self, microseconds: int) -> None:
        self.now += microseconds
        self._client.set(self._clock_key, self.now)

    def ask(self, ask: Ask) -> Verdict:
        told = self._local.ask(ask)
        verdict, _ = self.redis.ask(ask, "process", "")
        assert verdict == told
        return verdict

    def done(self, call: str) -> None:
        self._local.done(call)
        self.redis.done(call)

    def pause(self, microseconds: int) -> None:
        self._local.pause("GET /v1/orders", microseconds)
        self.redis.pause("GET /v1/orders", microseconds)

    def agree_on_usage(self) -> None:
        local, shared = self._local.usage(), self.redis.usage()
        assert local.windows == shared.windows
        assert local.endpoints == shared.endpoints
        assert local.paused_seconds == shared.paused_seconds

    def close(self) -> None:
        self._client.close()


@dataclass
class Traffic:
    """Callers that behave like ours, by chance; what was sent, and when it may have arrived."""

    both: Both
    chance: Random
    waiting: dict[str, Ask] = field(default_factory=dict)
    flying: dict[str, int] = field(default_factory=dict)
    arrived: list[int] = field(default_factory=list)
    calls: Iterator[int] = field(default_factory=lambda: count(1))

    def step(self) -> None:
        chance = self.chance.random()
        if chance < 0.45:
            self.ask(self.newcomer())
        elif chance < 0.65 and self.waiting:
            self.ask(self.waiting[self.chance.choice(sorted(self.waiting))])
        elif self.flying and chance < 0.995:
            self.end(self.chance.choice(sorted(self.flying)))
        elif chance > 0.995:
            self.both.pause(self.chance.choice([SECOND // 2, 3 * SECOND]))
        pause = self.chance.choice([1, 999, 10_000, 40_000, 200_000])
        self.both.advance(pause if self.chance.random() < 0.99 else 11 * SECOND)
        self.end_overdue()

    def newcomer(self) -> Ask:
        reconciles = self.chance.random() < 0.15
        return Ask(
            call=f"call{next(self.calls)}",
            endpoint=self.chance.choice(["GET /v1/orders", "PATCH /v1/orders/{id}"]),
            patience=self.chance.choice([0, SECOND, 3 * SECOND]),
            flight=self.chance.choice([SECOND, 20 * SECOND, 20 * SECOND]),
            caller=self.chance.choice(["", "a", "b", "c", "d", "e", "f"]),
            priority=Priority.RECONCILE if reconciles else Priority.HANDLERS,
        )

    def ask(self, ask: Ask) -> None:
        verdict = self.both.ask(ask)
        self.waiting.pop(ask.call, None)
        if verdict.kind is Kind.GO and ask.flight == SECOND:
            # Its process has died: nobody will tell of its end.
            self.arrived.append(self.both.now + self.chance.randint(0, SECOND))
        elif verdict.kind is Kind.GO:
            self.flying[ask.call] = self.both.now
        elif verdict.kind is Kind.WAIT:
            self.waiting[ask.call] = replace(
                ask, ticket=verdict.ticket, inside=verdict.inside, waited=ask.waited + 7
            )

    def end(self, call: str) -> None:
        sent = self.flying.pop(call)
        self.arrived.append(self.chance.randint(sent, self.both.now))
        self.both.done(call)

    def end_overdue(self) -> None:
        for call in [
            call for call, sent in self.flying.items() if sent < self.both.now - 7 * SECOND
        ]:
            self.end(call)


@hypothesis.settings(max_examples=25)
@hypothesis.given(seed=st.integers(0, 2**32))
def test_redis_and_python_say_the_same_and_no_window_ever_holds_too_many(
    redis_server: RedisServer, seed: int
) -> None:
    turns = Both(redis_server)
    traffic = Traffic(turns, Random(seed))  # noqa: S311 - made up traffic
    try:
        for _ in range(100):
            traffic.step()
        turns.agree_on_usage()
    finally:
        turns.close()

    arrived = sorted(traffic.arrived)
    for limit in LIMITS:
        for first, beyond in zip(arrived, arrived[limit.calls :], strict=False):
            assert beyond - first >= limit.seconds * SECOND


def test_a_clock_that_is_set_back_does_not_stop_everything_until_it_has_caught_up(
    redis_server: RedisServer,
) -> None:
    turns = Both(redis_server)

    def ask(caller: str) -> Verdict:
        call = Ask(caller, "GET /v1/orders", 0, SECOND, caller=caller)
        return turns.redis.ask(call, "process", "")[0]

    try:
        turns.pause(60 * SECOND)
        assert ask("early").wait == 60 * SECOND
        turns.advance(-3600 * SECOND)
        for number in range(4):
            assert ask(f"caller_{number}").kind is Kind.GO
        assert 0 < ask("next").wait < 2 * SECOND
        turns.advance(-3600 * SECOND)
        assert 0 < ask("next").wait < 2 * SECOND
    finally:
        turns.close()
