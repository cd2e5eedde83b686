"""The order book among real processes: who asks, who waits, and what happens when one dies."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis

from core.api import EcomLinx
from handlers.testing import Customer, LocalEcomLinx, Shop
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.book_readers import Errand, open_book, outcomes_of
from tests.support.waiting import wait_until


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """An EcomLinx without orders and without limits."""
    with LocalEcomLinx(shop=Shop(history_days=0), limits=()) as local:
        yield local


def place_orders(ecomlinx: LocalEcomLinx, count: int) -> list[str]:
    """Put so many new orders into the list, without selling anything; the oldest is first."""
    shop = ecomlinx.shop
    with shop.lock:
        customer = Customer("Priya Sharma", "Mumbai")
        made = [
            shop.orders.make("amazon_in", {"BLUE-TEE-M": 1}, customer, shop.now())
            for _ in range(count)
        ]
        for order in made:
            shop.orders.add(order)
    return [order.id for order in made]


def list_calls(ecomlinx: LocalEcomLinx) -> int:
    return sum(request.method == "GET" for request in ecomlinx.requests)


@pytest.mark.parametrize("on_an_event", [True, False], ids=["handlers", "scripts"])
@pytest.mark.parametrize("latency", [0.0, 0.2], ids=["fast", "slow"])
def test_sixty_four_threads_that_look_for_a_thousand_orders_make_hardly_more_than_ten_calls(
    ecomlinx: LocalEcomLinx,
    redis_client: "redis.Redis",
    redis_url: str,
    start_process: ProcessStarter,
    settings: SettingsFactory,
    on_an_event: bool,
    latency: float,
) -> None:
    ids = place_orders(ecomlinx, 1000)
    since = datetime.now(UTC).isoformat() if on_an_event else None
    if latency:
        ecomlinx.fail_next(1000, delay_seconds=latency)
    readers = [
        start_process(
            *Errand(redis_url, ecomlinx.url, ids[n::4], since=since, await_go=True).words(),
            settings=settings(),
        )
        for n in range(4)
    ]
    for reader in readers:
        reader.wait_for_line("ready")
    redis_client.set("go", 1)

    found = {order: status for reader in readers for order, status in outcomes_of(reader).items()}

    assert found == dict.fromkeys(ids, "new")
    assert list_calls(ecomlinx) <= 20


def test_one_who_dies_while_he_asks_holds_up_the_others_by_seconds_only(
    ecomlinx: LocalEcomLinx,
    redis_client: "redis.Redis",
    redis_url: str,
    start_process: ProcessStarter,
    settings: SettingsFactory,
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    ecomlinx.fail_next(1, delay_seconds=30)
    errand = Errand(redis_url, ecomlinx.url, [order_id], threads=1)
    victim = start_process(*errand.words(), settings=settings())
    wait_until(lambda: list(redis_client.scan_iter("*:lease:*")), "somebody asks")
    wait_until(lambda: ecomlinx.faults.happened, "the call that gets no answer")
    started = time.monotonic()
    victim.signal(signal.SIGKILL)

    with EcomLinx("test-key", ecomlinx.url, book=open_book(redis_url)) as api:
        found = api.orders.get(order_id)

    assert found.id == order_id
    assert time.monotonic() - started < 8
