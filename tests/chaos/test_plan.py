"""What a chaos run does is decided before it begins."""

from collections import Counter

import pytest

from tests.chaos.events import make_events
from tests.chaos.names import BARE, NOTE, STEP, TROUBLE
from tests.chaos.plan import KILLS, Kind, make_plan


def test_there_are_as_many_kills_as_were_asked_for_each_kind_as_often() -> None:
    plan = make_plan(seed=1, seconds=900, kills=300, is_sqlite=True)

    kinds = Counter(act.kind for act in plan if act.kind in KILLS)

    assert kinds == dict.fromkeys(KILLS, 75)


def test_kills_are_spread_over_the_whole_run() -> None:
    plan = make_plan(seed=1, seconds=900, kills=300, is_sqlite=True)

    by_minute = Counter(int(act.at // 60) for act in plan if act.kind in KILLS)

    assert set(by_minute) == set(range(15))
    assert all(18 <= count <= 22 for count in by_minute.values())


def test_the_last_quarter_has_kills_only() -> None:
    plan = make_plan(seed=1, seconds=900, kills=300, is_sqlite=True)

    assert {act.kind for act in plan if act.at > 675} == set(KILLS)


@pytest.mark.parametrize("is_sqlite", [True, False])
def test_even_a_short_run_meets_every_disturbance_that_its_database_knows(is_sqlite: bool) -> None:
    plan = make_plan(seed=1, seconds=10, kills=8, is_sqlite=is_sqlite)

    missing = set(Kind) - {act.kind for act in plan}

    assert missing == ({Kind.CUT_DATABASE} if is_sqlite else set())


def test_a_long_run_has_silences_longer_than_a_lease_and_a_short_one_has_none() -> None:
    long = make_plan(seed=1, seconds=900, kills=300, is_sqlite=True)
    short = make_plan(seed=1, seconds=20, kills=8, is_sqlite=True)

    silent = {act.kind for act in long if act.seconds > 30}
    assert silent >= {Kind.STOP_WORKER, Kind.STOP_SCHEDULER, Kind.STOP_REDIS}
    assert max(act.seconds for act in short) < 15


def test_the_same_seed_makes_the_same_run() -> None:
    def plan_of(seed: int) -> object:
        return make_plan(seed=seed, seconds=60, kills=20, is_sqlite=False)

    assert plan_of(1) == plan_of(1) != plan_of(2)
    assert make_events(500, seed=1, suicides=3) == make_events(500, seed=1, suicides=3)


def test_without_kills_nothing_is_disturbed() -> None:
    assert make_plan(seed=1, seconds=0, kills=0, is_sqlite=True) == []


def test_an_effect_tells_its_event() -> None:
    events = make_events(5000, seed=1, suicides=3)

    deltas = [event.delta for event in events if event.sku]

    assert len(deltas) == len(set(deltas))
    assert 0.05 < len(deltas) / len(events) < 0.12
    assert all(event.delta == 0 for event in events if not event.sku)


def test_every_handler_gets_events_and_every_event_a_note() -> None:
    events = make_events(5000, seed=1, suicides=3)

    assert {h for event in events for h in event.handlers} == {NOTE, STEP, BARE, TROUBLE}
    assert all(NOTE in event.handlers for event in events)
    assert len({event.id for event in events}) == 5000


def test_so_many_handlers_kill_their_process_as_were_asked_for() -> None:
    events = make_events(5000, seed=1, suicides=3)

    assert sum(b'"mood":"kill"' in event.request for event in events) == 3


def test_one_kind_of_kill_alone_comes_with_no_other_trouble() -> None:
    plan = make_plan(seed=1, seconds=60, kills=20, is_sqlite=True, only=Kind.KILL_WORKER)

    assert [act.kind for act in plan] == [Kind.KILL_WORKER] * 20
    assert plan == sorted(plan, key=lambda act: act.at)
