"""Many callers and one budget, in a time of their own."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from core.api import Limit, Priority
from core.api.budget.local_turns import LocalTurns
from core.api.budget.turns import NAP, Ask, Kind, Verdict
from core.api.limits import PLAN_LIMITS, SECOND

START = 1_790_000_000 * SECOND
PATIENCE = 3 * SECOND


@dataclass
class World:
    """What happens when, and what was sent."""

    limits: tuple[Limit, ...] = PLAN_LIMITS["scale"]
    latency: int = SECOND // 50
    now: int = START
    sent: list[tuple[int, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    agenda: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.turns = LocalTurns(self.limits, lambda: self.now)

    def later(self, pause: int, action: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (self.now + pause, next(self.numbers), action))

    def run(self, seconds: float = 3600) -> None:
        """Let everything happen that does within so many seconds."""
        ends = self.now + seconds * SECOND
        while self.agenda and self.agenda[0][0] <= ends:
            self.now, _, action = heapq.heappop(self.agenda)
            action()

    def seconds_of(self, number: int) -> float:
        """When the call of a number was sent, in seconds since the start."""
        return (self.sent[number][0] - START) / SECOND

    def assert_limits_are_kept(self) -> None:
        """A call may arrive when it is sent, or just before its answer."""
        times = [at for at, _ in self.sent]
        for limit in self.limits:
            for first, beyond in zip(times, times[limit.calls :], strict=False):
                assert beyond - first >= limit.seconds * SECOND


@dataclass
class Handler:
    """A caller that makes some calls in each attempt, and comes back when it is sent away."""

    world: World
    name: str
    calls: int = 1
    patience: int = PATIENCE
    way_back: int = 0
    priority: Priority = Priority.HANDLERS
    attempts: int = 0

    def begin(self) -> None:
        self.attempts += 1
        self.ticket, self.inside = 0, False
        self._call(self.calls)

    def _call(self, left: int) -> None:
        if left:
            self._ask(f"{self.name}:{next(self.world.numbers)}", self.world.now, left)

    def _ask(self, call: str, began: int, left: int) -> None:
        world = self.world
        verdict = world.turns.ask(
            Ask(
                call=call,
                endpoint="GET /v1/orders",
                patience=self.patience - (world.now - began),
                flight=10 * SECOND,
                caller=self.name,
                ticket=self.ticket,
                inside=self.inside,
                priority=self.priority,
            )
        )
        self.ticket, self.inside = verdict.ticket, verdict.inside
        if verdict.kind is Kind.GO:
            world.sent.append((world.now, self.name))
            world.later(world.latency, lambda: self._answered(call, left - 1))
        elif verdict.kind is Kind.WAIT:
            world.later(min(verdict.wait, NAP), lambda: self._ask(call, began, left))
        else:
            world.refused.append(self.name)
            world.later(verdict.wait + self.way_back, self.begin)

    def _answered(self, call: str, left: int) -> None:
        self.world.turns.done(call)
        self._call(left)


def burst(world: World, callers: int, *, calls: int = 1, way_back: int = 0) -> list[Handler]:
    """So many callers within a moment."""
    handlers = [
        Handler(world, f"evt_{number:05}", calls=calls, way_back=way_back)
        for number in range(callers)
    ]
    for number, handler in enumerate(handlers):
        world.later(number * 100, handler.begin)
    return handlers


def ask(world: World, caller: str, patience: int = 0, **more: Any) -> Verdict:
    """Somebody asks once, a microsecond after whoever asked before."""
    world.now += 1
    call = f"{caller}:{next(world.numbers)}"
    return world.turns.ask(Ask(call, "GET /v1/orders", patience, SECOND, caller=caller, **more))


def test_a_burst_is_worked_off_in_its_order_at_the_allowed_rate() -> None:
    world = World()
    handlers = burst(world, 1500)
    world.run()

    assert [name for _, name in world.sent] == [handler.name for handler in handlers]
    # A thousand in ten seconds, the others from the next minute on, a hundred a second.
    assert world.seconds_of(999) < 9.3
    assert world.seconds_of(1499) < 60 + 4.3
    assert max(handler.attempts for handler in handlers) <= 3
    world.assert_limits_are_kept()


def test_callers_that_make_several_calls_and_are_late_are_all_served() -> None:
    world = World()
    handlers = burst(world, 700, calls=2, way_back=2 * SECOND)
    world.run()

    assert {handler.name for handler in handlers} == {name for _, name in world.sent}
    assert max(handler.attempts for handler in handlers) <= 5
    assert world.seconds_of(-1) < 80
    world.assert_limits_are_kept()


def test_whoever_was_sent_away_goes_before_those_who_come_later() -> None:
    world = World(limits=(Limit(20, 10.0), Limit(5, 1.0)))
    early = burst(world, 60)
    for number in range(300):
        world.later(SECOND + number * SECOND // 5, Handler(world, f"late_{number}").begin)
    world.run(seconds=60)

    order = [name for _, name in world.sent]
    assert order[:60] == [handler.name for handler in early]
    assert order[60:] == [f"late_{number}" for number in range(len(order) - 60)]
    assert len(order) >= 6 * 20


def test_those_who_are_sent_away_are_told_times_at_the_allowed_rate() -> None:
    world = World()
    for number in range(1000):
        world.turns.done(ask_and_go(world, f"first_{number}"))
    waits = (ask(world, f"evt_{number}").wait for number in range(2500))
    told = sorted(world.now + wait for wait in waits)

    for limit in world.limits:
        for first, beyond in zip(told, told[limit.calls :], strict=False):
            assert beyond - first >= limit.seconds * SECOND
    assert told[-1] - world.now < (60 * 3 + 10) * SECOND


def ask_and_go(world: World, caller: str) -> str:
    """Somebody asks until its call is sent; the call."""
    call, ticket = f"{caller}:go", 0
    while True:
        verdict = world.turns.ask(
            Ask(call, "GET /v1/orders", 60 * SECOND, SECOND, caller=caller, ticket=ticket)
        )
        if verdict.kind is Kind.GO:
            return call
        ticket = verdict.ticket
        world.now += verdict.wait


def test_those_who_die_while_they_wait_are_forgotten_at_once() -> None:
    world = World(limits=(Limit(5, 10.0),))
    for number in range(5):
        world.turns.done(ask_and_go(world, f"first_{number}"))
    world.now += 8 * SECOND
    for number in range(5):
        assert ask(world, f"doomed_{number}", PATIENCE).kind is Kind.WAIT

    world.now += 2 * SECOND + SECOND // 10
    assert ask(world, "alive", PATIENCE).kind is Kind.GO


def test_a_call_counts_for_as_long_as_it_may_still_arrive() -> None:
    world = World(limits=(Limit(1, 1.0),))
    ask_and_go(world, "slow")
    world.now += 900_000
    assert ask(world, "next").kind is Kind.LEAVE

    # Its second is up, its process may be dead: it could have arrived until now.
    world.now += 900_000
    assert ask(world, "next").kind is Kind.LEAVE
    world.now += 300_000
    assert ask(world, "next").kind is Kind.GO


def test_a_pause_is_for_everybody_and_ends_in_turn() -> None:
    world = World()
    ask_and_go(world, "first")
    world.turns.pause("GET /v1/orders", 30 * SECOND)
    told = [ask(world, f"evt_{number}").wait for number in range(250)]

    assert told[98] == pytest.approx(30 * SECOND, abs=1000)
    assert told[100] == pytest.approx(31 * SECOND, rel=0.01)
    assert told[200] == pytest.approx(32 * SECOND, rel=0.01)
    assert world.turns.usage().paused_seconds == pytest.approx(30, abs=0.001)


def test_a_caller_that_goes_on_after_all_does_not_keep_its_place_among_the_absent() -> None:
    world = World(limits=(Limit(2, 5.0),))
    world.turns.done(ask_and_go(world, "first"))
    world.turns.done(ask_and_go(world, "second"))
    verdict = ask(world, "stubborn")
    assert verdict.kind is Kind.LEAVE

    world.now += 6 * SECOND
    assert ask(world, "stubborn", ticket=verdict.ticket).kind is Kind.GO
    assert ask(world, "next").kind is Kind.GO


def test_reconciliation_takes_a_tenth_of_a_minute_at_most() -> None:
    world = World()
    reconcile = Handler(world, "reconcile", calls=250, priority=Priority.RECONCILE)
    world.later(0, reconcile.begin)
    world.run(seconds=59)

    assert len(world.sent) == 100


def test_who_comes_back_does_not_wait_for_others_who_have_not() -> None:
    world = World(limits=(Limit(1, 5.0),))
    world.turns.done(ask_and_go(world, "first"))
    for caller in ("early", "later"):
        assert ask(world, caller).kind is Kind.LEAVE

    world.now += 6 * SECOND
    assert ask(world, "later").kind is Kind.GO
    assert ask(world, "early").kind is Kind.LEAVE


def test_reconciliation_lets_handlers_go_first_that_wait() -> None:
    world = World(limits=(Limit(10, 5.0),))
    for number in range(10):
        world.turns.done(ask_and_go(world, f"first_{number}"))
    world.now += 4_700_000
    waiting = Ask("waiting:1", "GET /v1/orders", PATIENCE, SECOND)
    verdict = world.turns.ask(waiting)
    assert verdict.kind is Kind.WAIT

    world.now += verdict.wait
    assert ask(world, "reconcile", priority=Priority.RECONCILE).kind is Kind.LEAVE
    assert world.turns.ask(replace(waiting, ticket=verdict.ticket)).kind is Kind.GO
    assert ask(world, "reconcile", priority=Priority.RECONCILE).kind is Kind.GO


def test_reconciliation_lets_handlers_go_first_that_are_to_come_back() -> None:
    world = World(limits=(Limit(10, 5.0),))
    for number in range(10):
        world.turns.done(ask_and_go(world, f"first_{number}"))
    assert ask(world, "deferred").kind is Kind.LEAVE

    world.now += 6 * SECOND
    assert ask(world, "reconcile", priority=Priority.RECONCILE).kind is Kind.LEAVE
    assert ask(world, "deferred").kind is Kind.GO
    assert ask(world, "reconcile", priority=Priority.RECONCILE).kind is Kind.GO
