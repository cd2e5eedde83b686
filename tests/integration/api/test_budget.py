"""A client and its budget, before an EcomLinx that counts every call."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import redis

from core.api import ApiCall, BudgetSpent, EcomLinx, Limit, LocalBudget, Priority, Usage
from core.api.budget.shared import RedisBudget
from handlers.testing import LocalEcomLinx
from tests.conftest import SettingsFactory
from tests.support.command_line import CommandLine
from tests.support.ports import find_free_port
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

KEY = "key-that-nobody-may-see"

ORDERS, ORDER = "GET /v1/orders", "PATCH /v1/orders/{id}"


class ClientOpener(Protocol):
    """Opens a client of the same EcomLinx and Redis."""

    def __call__(self, *limits: Limit, key: str = KEY, longest_wait: float = 3.0) -> EcomLinx:
        """Return a client that is closed at the end of the test."""


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """An EcomLinx without limits of its own."""
    with LocalEcomLinx(KEY, limits=()) as local:
        yield local


@pytest.fixture
def open_client(ecomlinx: LocalEcomLinx, redis_url: str) -> Iterator[ClientOpener]:
    """Opens clients that share their budgets through Redis."""
    with ExitStack() as stack:

        def open_client(*limits: Limit, key: str = KEY, longest_wait: float = 3.0) -> EcomLinx:
            budget = RedisBudget(redis_url, key, limits=limits, longest_wait=longest_wait)
            stack.enter_context(budget)
            return stack.enter_context(EcomLinx(KEY, ecomlinx.url, gate=budget))

        yield open_client


def used(usage: Usage) -> list[int]:
    return [window.used for window in usage.windows]


def test_a_client_keeps_to_its_plan_by_itself() -> None:
    with (
        LocalEcomLinx(KEY, "pro") as local,
        EcomLinx(KEY, local.url, plan="pro") as api,
        ThreadPoolExecutor(8) as threads,
    ):
        list(threads.map(lambda _: api.channels.list(), range(30)))

        assert [request.status for request in local.requests] == [200] * 30
        assert used(api.budget.usage())[0] == 30


def test_a_call_whose_turn_is_beyond_its_timeout_is_not_sent(ecomlinx: LocalEcomLinx) -> None:
    budget = LocalBudget(limits=[Limit(1, 60)])
    with EcomLinx(KEY, ecomlinx.url, timeout=30, gate=budget) as api:
        api.channels.list()
        began = time.monotonic()
        with pytest.raises(BudgetSpent, match=r"GET /v1/orders: .* not sent") as caught:
            api.orders.list()

    assert time.monotonic() - began < 5
    assert caught.value.retry_after == pytest.approx(60, abs=5)
    assert len(ecomlinx.requests) == 1


def test_clients_of_one_key_share_a_budget(open_client: ClientOpener) -> None:
    one, other = open_client(Limit(2, 60)), open_client(Limit(2, 60))
    one.channels.list()
    other.channels.list()

    for api in (one, other):
        with pytest.raises(BudgetSpent) as caught:
            api.channels.list()
        assert 50 < (caught.value.retry_after or 0) <= 60


def test_clients_of_different_keys_do_not(open_client: ClientOpener) -> None:
    open_client(Limit(1, 60), key="one").channels.list()

    open_client(Limit(1, 60), key="other").channels.list()


def test_who_was_sent_away_goes_before_who_is_new(open_client: ClientOpener) -> None:
    api = open_client(Limit(2, 1.5), longest_wait=0.3)
    api.channels.list()
    api.channels.list()
    for caller in ("evt_1/ship", "evt_2/ship"):
        with pytest.raises(BudgetSpent):
            api.for_caller(caller).channels.list()
    time.sleep(1.6)

    with pytest.raises(BudgetSpent):
        api.for_caller("evt_3/ship").channels.list()
    api.for_caller("evt_2/ship").channels.list()
    api.for_caller("evt_1/ship").channels.list()


def test_reconciliation_has_a_tenth(open_client: ClientOpener) -> None:
    api = open_client(Limit(20, 60))
    view = api.for_caller("reconcile", Priority.RECONCILE)
    view.channels.list()
    view.channels.list()

    with pytest.raises(BudgetSpent):
        view.channels.list()
    api.channels.list()


def test_usage_tells_what_the_budget_was_used_for(open_client: ClientOpener) -> None:
    limits = (Limit(4, 60), Limit(2, 2))
    api, other = open_client(*limits), open_client(*limits)
    told: list[ApiCall] = []
    order = api.orders.list().data[0]
    other.orders.list()
    api.observed_by(told.append).orders.update(order.id, "shipped")
    other.budget.count_hit(ORDERS)
    other.budget.count_hit(ORDERS)
    other.budget.usage()
    usage = api.budget.usage()

    assert usage.shared
    assert (usage.windows[0].used, usage.windows[0].left) == (3, 1)
    assert usage.paused_seconds == 0
    assert set(usage.endpoints) == {ORDERS, ORDER}
    assert (usage.endpoints[ORDERS].sent, usage.endpoints[ORDERS].hits) == (2, 2)
    assert (usage.endpoints[ORDER].sent, usage.endpoints[ORDER].waited) == (1, 1)
    assert 0 < usage.endpoints[ORDER].waited_ms < 3000
    assert told[0].waited_ms == pytest.approx(usage.endpoints[ORDER].waited_ms, abs=0.01)


def test_refusals_are_counted_too(open_client: ClientOpener, ecomlinx: LocalEcomLinx) -> None:
    api = open_client(Limit(100, 60), longest_wait=0)
    ecomlinx.fail_next(status=429, retry_after=30)
    with pytest.raises(Exception, match="429 rate_limited"):
        api.orders.list()
    with pytest.raises(BudgetSpent):
        api.orders.list()
    usage = api.budget.usage()

    assert 25 < usage.paused_seconds <= 30
    counts = usage.endpoints[ORDERS]
    assert (counts.sent, counts.rate_limited, counts.deferred) == (1, 1, 1)


def test_redis_keeps_nothing_for_ever_and_nothing_of_the_key(
    open_client: ClientOpener, redis_client: "redis.Redis"
) -> None:
    api = open_client(Limit(1, 60), longest_wait=0)
    api.for_caller("evt_1/ship").channels.list()
    with pytest.raises(BudgetSpent):
        api.for_caller("evt_2/ship").channels.list()
    api.for_caller("reconcile", Priority.RECONCILE).budget.count_hit(ORDERS)

    kept = {bytes(key): redis_client.dump(key) or b"" for key in redis_client.scan_iter()}
    assert len(kept) >= 6
    for key, value in kept.items():
        assert key.startswith(b"ecomlinx:api:")
        assert 0 < redis_client.pttl(key) <= 6 * 3600 * 1000
        assert KEY.encode() not in key + value
        assert b"evt_2" not in value


def test_without_redis_a_process_keeps_to_an_eighth(ecomlinx: LocalEcomLinx) -> None:
    nowhere = f"redis://127.0.0.1:{find_free_port()}/0"
    with (
        RedisBudget(nowhere, KEY, limits=[Limit(16, 60)]) as budget,
        EcomLinx(KEY, ecomlinx.url, gate=budget) as api,
    ):
        api.channels.list()
        api.channels.list()
        with pytest.raises(BudgetSpent):
            api.channels.list()

        assert not api.budget.usage().shared


def test_when_redis_is_back_nobody_goes_before_all_had_the_time_to_tell_of_their_calls(
    ecomlinx: LocalEcomLinx, own_redis: RedisServer
) -> None:
    with (
        RedisBudget(own_redis.url, KEY, limits=[Limit(16, 60)]) as budget,
        EcomLinx(KEY, ecomlinx.url, gate=budget) as api,
    ):
        api.channels.list()
        own_redis.kill()
        with pytest.raises(BudgetSpent):
            api.channels.list()
        assert not api.budget.usage().shared

        own_redis.start()
        usage = wait_until(lambda: _shared(api.budget.usage()), "Redis, noticed")
        assert 0 < usage.paused_seconds <= 2.2
        assert used(usage) == [1]


def _shared(usage: Usage) -> Usage | None:
    return usage if usage.shared else None


def test_the_command_line_tells_what_is_used(
    open_client: ClientOpener, settings: SettingsFactory, redis_url: str, tmp_path: Path
) -> None:
    command_line = CommandLine(settings(redis_url=redis_url, ecomlinx_api_key=KEY), tmp_path)
    assert "No call was made in the last hour." in command_line.ask("budget")

    open_client(Limit(1000, 60), Limit(100, 1)).orders.list()
    printed = command_line.ask("budget")
    (told,) = command_line.ask_for_json("budget")

    assert "1 of 1,000 calls in 60 s are used, 999 left" in printed
    assert "GET /v1/orders  1     0       0.0 s       0         0    0" in printed
    assert told["windows"][0] == {"calls": 1000, "seconds": 60, "used": 1, "left": 999}
    assert told["endpoints"][ORDERS]["sent"] == 1


def test_the_command_line_says_what_is_missing(settings: SettingsFactory, tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{find_free_port()}/0"
    keyless = CommandLine(settings(redis_url=nowhere), tmp_path).run("budget")
    away = CommandLine(settings(redis_url=nowhere, ecomlinx_api_key=KEY), tmp_path).run("budget")

    assert (keyless.exit_code, away.exit_code) == (1, 1)
    assert "ECOMLINX_API_KEY is not set" in keyless.output
    assert "Redis is away" in away.output
