"""The shared book and its Redis: what happens when that is away, and what it keeps."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
import structlog

from core.api import EcomLinx
from core.api.book.records import LIFE, SECOND, Entry, Lease, Mark, Place
from handlers.testing import LocalEcomLinx, Shop
from tests.integration.api import examples
from tests.support.book_readers import open_book
from tests.support.redis_server import RedisServer
from tests.support.scripted_api import ScriptedApi, json_reply
from tests.support.waiting import wait_until

SKU = "BLUE-TEE-M"
SECONDS_THAT_COPIES_LIVE = 3 * LIFE / SECOND


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """An EcomLinx without limits."""
    with LocalEcomLinx(shop=Shop(history_days=0), limits=()) as local:
        yield local


@pytest.fixture
def open_client(ecomlinx: LocalEcomLinx) -> Iterator[Callable[[str], EcomLinx]]:
    """Opens clients, each with a connection of its own to the Redis of this URL."""
    with ExitStack() as stack:

        def open_client(url: str) -> EcomLinx:
            client = EcomLinx("test-key", ecomlinx.url, book=open_book(url))
            return stack.enter_context(client)

        yield open_client


def lists(ecomlinx: LocalEcomLinx) -> int:
    return sum(request.method == "GET" for request in ecomlinx.requests)


def run_in_threads(count: int, action: Callable[[], Any]) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(action())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_without_redis_everything_is_found_and_told_once(
    open_client: Callable[[str], EcomLinx], own_redis: RedisServer, ecomlinx: LocalEcomLinx
) -> None:
    api = open_client(own_redis.url)
    own_redis.kill()

    with structlog.testing.capture_logs() as logged:
        found = run_in_threads(16, lambda: api.inventory.get(SKU).total_stock)
        api.inventory.adjust(SKU, 1)
        after = api.inventory.get(SKU).total_stock
        own_redis.start()
        time.sleep(1.1)
        back = api.inventory.get(SKU).total_stock

    assert found == [143] * 16
    assert (after, back) == (144, 144)
    assert lists(ecomlinx) == 3
    assert [line["event"] for line in logged] == ["order_book_away", "order_book_back"]


def test_a_redis_that_hangs_holds_up_one_caller_a_second_and_no_other(
    open_client: Callable[[str], EcomLinx], own_redis: RedisServer
) -> None:
    api = open_client(own_redis.url)
    api.inventory.get(SKU)
    own_redis.freeze()
    started = time.monotonic()

    first = api.inventory.get(SKU).total_stock
    at_first = time.monotonic() - started
    found = [api.inventory.get(SKU).total_stock for _ in range(50)]
    then = time.monotonic() - started - at_first
    own_redis.thaw()

    assert [first, *found] == [143] * 51
    assert at_first < 4
    assert then < 0.9


def test_a_change_that_redis_was_not_told_of_is_told_when_it_is_back(
    open_client: Callable[[str], EcomLinx], own_redis: RedisServer
) -> None:
    ours, theirs = open_client(own_redis.url), open_client(own_redis.url)
    theirs.inventory.get(SKU)
    own_redis.kill()
    ours.inventory.set(SKU, 7)
    own_redis.start()

    def tells() -> bool:
        ours.inventory.get("MUG-SET6")
        return theirs.inventory.get(SKU).total_stock == 7

    wait_until(tells, "the others hear of it", seconds=5)


def test_a_redis_that_forgets_everything_is_no_error(
    open_client: Callable[[str], EcomLinx], redis_client: "redis.Redis", redis_url: str
) -> None:
    api = open_client(redis_url)
    for forget in (redis_client.flushall, redis_client.script_flush):
        api.inventory.get(SKU)
        forget()
        assert api.inventory.get(SKU).total_stock == 143


def test_a_book_that_has_forgotten_an_update_takes_no_answer_from_before_it(
    open_client: Callable[[str], EcomLinx],
    redis_client: "redis.Redis",
    redis_url: str,
    ecomlinx: LocalEcomLinx,
) -> None:
    ours, theirs = open_client(redis_url), open_client(redis_url)
    ecomlinx.fail_next(method="GET", delay_seconds=0.5, after_effect=True)
    slow = threading.Thread(target=lambda: theirs.inventory.get(SKU))
    slow.start()
    wait_until(lambda: not ecomlinx.faults._faults[0].left, "the list has been read")
    ours.inventory.set(SKU, 7)
    redis_client.flushall()
    slow.join()

    assert theirs.inventory.get(SKU).total_stock == 7


@pytest.mark.parametrize("rubbish", ["a word", "a list", "in every field"])
def test_rubbish_in_redis_is_no_error(
    open_client: Callable[[str], EcomLinx],
    redis_client: "redis.Redis",
    redis_url: str,
    rubbish: str,
) -> None:
    api = open_client(redis_url)
    api.inventory.get(SKU)
    for key in redis_client.keys("ecomlinx:api:book:*:inventory:*"):
        if rubbish == "in every field":
            fields = redis_client.hkeys(key)
            redis_client.hset(key, mapping=dict.fromkeys(fields, b"\xff 1 \n{"))
        elif rubbish == "a list":
            redis_client.delete(key)
            redis_client.rpush(key, "?")
        else:
            redis_client.set(key, "?")

    assert api.inventory.get(SKU).total_stock == 143
    api.inventory.set(SKU, 7)
    assert api.inventory.get(SKU).total_stock == 7


def test_nothing_stays_in_redis_for_good_and_nothing_tells_the_key(
    open_client: Callable[[str], EcomLinx],
    redis_client: "redis.Redis",
    redis_url: str,
    ecomlinx: LocalEcomLinx,
) -> None:
    order = ecomlinx.shop.place_order("amazon_in", {SKU: 1})
    api = open_client(redis_url)
    api.orders.get(order.id)
    api.orders.update(order.id, "cancelled")
    api.products.by_sku(SKU)
    api.inventory.get(SKU)

    keys = {key.decode() for key in redis_client.scan_iter("*") if isinstance(key, bytes)}
    lasting = {key for key in keys if redis_client.pttl(key) < 0}

    assert lasting == {"ecomlinx:api:book:era"}
    assert all(redis_client.pttl(key) < SECONDS_THAT_COPIES_LIVE * 1000 for key in keys)
    assert all(key.startswith("ecomlinx:api:book:") and "test-key" not in key for key in keys)
    assert not [key for key in keys if ":lease:" in key]


def test_what_was_read_while_redis_was_away_is_not_taken_when_it_is_away_again(
    open_client: Callable[[str], EcomLinx], own_redis: RedisServer
) -> None:
    ours, theirs = open_client(own_redis.url), open_client(own_redis.url)
    own_redis.kill()
    ours.inventory.get(SKU)
    own_redis.start()
    time.sleep(1.1)
    ours.inventory.get("MUG-SET6")
    theirs.inventory.set(SKU, 7)
    own_redis.kill()

    assert ours.inventory.get(SKU).total_stock == 7


def test_who_has_just_asked_for_a_page_may_ask_again_at_once_and_others_wait_a_moment(
    redis_url: str,
) -> None:
    ours, theirs = open_book(redis_url), open_book(redis_url)
    lease = ours.lease("w:orders", Place("", 1), 0)
    assert isinstance(lease, Lease)
    ours.put(lease, {}, Mark(lease.asked, is_last=True))

    others_wait = theirs.lease("w:orders", Place("", 1), lease.asked + 1)
    again = ours.lease("w:orders", Place("", 1), lease.asked + 1)

    assert isinstance(others_wait, float)
    assert 0 < others_wait <= 1
    assert isinstance(again, Lease)


@pytest.mark.parametrize("at", [700, 1000], ids=["before its last part", "before its mark"])
def test_a_page_of_which_a_part_is_forgotten_meanwhile_does_not_count_as_read(
    redis_client: "redis.Redis", redis_url: str, at: int
) -> None:
    book = open_book(redis_url)
    lease = book.lease("w:inventory", Place("", 1), 0)
    assert isinstance(lease, Lease)

    class Forgotten(dict[str, Entry]):
        def items(self) -> Any:
            yield from list(super().items())[:at]
            redis_client.delete(*redis_client.keys("*:inventory:[0-9]*"))
            yield from list(super().items())[at:]

    entries = Forgotten({f"SKU-{n}": Entry(b"{}") for n in range(1000)})
    book.put(lease, entries, Mark(lease.asked, is_last=True))

    assert book.look("w:inventory", "SKU-1", Place("", 1)).mark is None


def page_of(first: int, size_bytes: int) -> Any:
    note = "x" * (size_bytes // 100)
    data = [{**examples.ORDER, "id": f"ord_{first + n}", "note": note} for n in range(100)]
    return json_reply({"data": data, "meta": {"total": 9999, "page": 1, "limit": 100}})


def test_the_book_is_bounded_and_what_it_can_not_keep_is_found_all_the_same(
    redis_client: "redis.Redis", redis_url: str, server: ScriptedApi
) -> None:
    server.answers(*[page_of(n * 100, 3_000_000) for n in range(8)], page_of(800, 12_000_000))
    with EcomLinx(examples.KEY, server.url, book=open_book(redis_url)) as api:
        found = [api.orders.get(f"ord_{number}").id for number in (750, 801)]

    assert found == ["ord_750", "ord_801"]
    keys = redis_client.keys("ecomlinx:api:book:*:orders:*")
    assert sum(redis_client.memory_usage(key) or 0 for key in keys) < 17_000_000


def test_a_list_of_many_thousands_is_kept_whole(
    redis_client: "redis.Redis", redis_url: str, server: ScriptedApi
) -> None:
    item = examples.INVENTORY["data"][0]
    data = [{**item, "sku": f"SKU-{n}"} for n in range(5000)]
    server.answers(json_reply({**examples.INVENTORY, "data": data}))
    with EcomLinx(examples.KEY, server.url, book=open_book(redis_url)) as api:
        found = [api.inventory.get(f"SKU-{n}").sku for n in range(0, 5000, 250)]

    assert found == [f"SKU-{n}" for n in range(0, 5000, 250)]
    assert len(server.asked) == 1
    assert redis_client.keys("*:inventory:*")


@pytest.mark.parametrize(
    ("value", "calls"),
    [(b"1.10", 1), (b"1e999999999", 1), (b"9" * 30, 2), (b'"\\ud800"', 2)],
    ids=["digits", "an exponent", "more than 64 bits", "half a character"],
)
def test_what_we_can_not_write_as_ecomlinx_did_is_not_kept(
    redis_url: str, server: ScriptedApi, value: bytes, calls: int
) -> None:
    order = b'{"id": "ord_1", "channel": "c", "status": "new", "total": 899.10, '
    order += b'"created_at": "2026-04-17T07:45:00Z", "odd": %s}' % value
    page = json_reply(b'{"data": [%s], "meta": {"total": 1, "page": 1, "limit": 100}}' % order)
    server.answers(*[page] * calls)

    with EcomLinx(examples.KEY, server.url, book=open_book(redis_url)) as api:
        first, second = api.orders.get("ord_1"), api.orders.get("ord_1")

    assert str(first.total) == str(second.total) == "899.10"
    assert first.model_dump() == second.model_dump()
    assert len(server.asked) == calls
