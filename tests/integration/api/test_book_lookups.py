"""Looking things up: what is shared, what is asked for anew, what isn't there."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.api import (
    ApiCall,
    Book,
    EcomLinx,
    InternalError,
    LocalBook,
    NotFound,
    NotYetVisible,
    Occasion,
    Unreachable,
)
from core.api.book.records import LEASE_SECONDS
from core.api.gate import OpenGate
from handlers.testing import Customer, LocalEcomLinx, Shop
from tests.support.book_readers import open_book
from tests.support.waiting import wait_until

SKU = "BLUE-TEE-M"
PRODUCT_ID = "prod_01HX4"

Client = Callable[..., EcomLinx]


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """An EcomLinx without orders and without limits."""
    with LocalEcomLinx(shop=Shop(history_days=0), limits=()) as local:
        yield local


@pytest.fixture(params=["local", "shared"])
def open_client(request: pytest.FixtureRequest, ecomlinx: LocalEcomLinx) -> Iterator[Client]:
    """Opens clients that share a book: in one process, and as in several through Redis."""
    local = LocalBook()
    with ExitStack() as stack:

        def open_book_of_a_client() -> Book:
            is_local = request.param == "local"
            return local if is_local else open_book(request.getfixturevalue("redis_url"))

        def open_client(api_key: str = "test-key", **options: Any) -> EcomLinx:
            client = EcomLinx(api_key, ecomlinx.url, book=open_book_of_a_client(), **options)
            return stack.enter_context(client)

        yield open_client


@pytest.fixture
def ours(open_client: Client) -> EcomLinx:
    """A client."""
    return open_client()


@pytest.fixture
def theirs(open_client: Client) -> EcomLinx:
    """Another client, as another process has it."""
    return open_client()


def place_orders(ecomlinx: LocalEcomLinx, count: int, age: timedelta = timedelta(0)) -> list[str]:
    """Put so many new orders of this age into the list, the oldest first."""
    shop = ecomlinx.shop
    with shop.lock:
        customer, at = Customer("Priya Sharma", "Mumbai"), shop.now() - age
        made = [shop.orders.make("amazon_in", {SKU: 1}, customer, at) for _ in range(count)]
        for order in made:
            shop.orders.add(order)
    return [order.id for order in made]


def lists(ecomlinx: LocalEcomLinx) -> list[str]:
    return [f"{r.path}?{r.query}" for r in ecomlinx.requests if r.method == "GET"]


def now() -> datetime:
    return datetime.now(UTC)


def event(**fields: Any) -> Occasion:
    return Occasion(**{"received_at": now(), **fields})


def in_the_background(action: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def test_a_hundred_orders_cost_one_call_whoever_looks(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ids = place_orders(ecomlinx, 100)

    found = [api.orders.get(order_id).id for order_id in ids for api in (ours, theirs)]

    assert found == [order_id for order_id in ids for _ in range(2)]
    assert lists(ecomlinx) == ["/v1/orders?page=1&limit=100"]


def test_those_who_look_at_the_same_time_share_one_call(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ids = place_orders(ecomlinx, 32)
    ecomlinx.fail_next(delay_seconds=0.2)

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda api, one: api.orders.get(one).id, [ours, theirs] * 16, ids))

    assert found == ids
    assert len(lists(ecomlinx)) == 1


def test_what_is_in_the_book_is_as_ecomlinx_wrote_it(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    place_orders(ecomlinx, 3)
    listed = {order.id: order for order in ours.orders.iterate()}

    for order in listed.values():
        assert ours.orders.get(order.id) == order
        assert theirs.orders.get(order.id).model_dump() == order.model_dump()


def test_an_own_update_is_seen_by_the_next_who_looks(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ids = place_orders(ecomlinx, 250)
    assert theirs.orders.get(ids[0]).status == "new"

    ours.orders.update(ids[0], "shipped", awb="161234567890")

    assert theirs.orders.get(ids[0]).awb == "161234567890"
    assert ours.orders.get(ids[0]).awb == "161234567890"
    assert lists(ecomlinx)[3:] == ["/v1/orders?page=3&limit=100"]


def test_an_update_of_one_order_leaves_the_others_in_the_book(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ids = place_orders(ecomlinx, 10)
    ours.orders.get(ids[0])

    ours.orders.update(ids[0], "shipped")

    assert theirs.orders.get(ids[1]).id == ids[1]
    assert len(lists(ecomlinx)) == 1


def test_an_answer_from_before_an_update_does_not_bring_the_old_copy_back(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    ecomlinx.fail_next(method="GET", delay_seconds=0.5, after_effect=True)
    slow = in_the_background(lambda: theirs.orders.get(order_id))
    wait_until(lambda: not ecomlinx.faults._faults[0].left, "the list has been read")

    ours.orders.update(order_id, "shipped")
    slow.join()

    assert theirs.orders.get(order_id).status == "shipped"
    assert ours.orders.get(order_id).status == "shipped"


def test_an_update_whose_answer_is_lost_counts_as_made(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    theirs.inventory.get(SKU)
    ecomlinx.fail_next(method="PATCH", after_effect=True)

    with pytest.raises(Unreachable):
        ours.inventory.adjust(SKU, 17)

    assert theirs.inventory.get(SKU).total_stock == 160


def test_an_order_that_appears_later_is_found(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    place_orders(ecomlinx, 3)
    with pytest.raises(NotFound, match="'ord_later' is not in the list") as caught:
        ours.orders.get("ord_later")
    assert type(caught.value) is NotFound

    (later,) = place_orders(ecomlinx, 1)

    assert ours.orders.get(later).id == later
    assert theirs.orders.get(later).id == later


def test_an_order_that_its_event_overtakes_is_not_yet_visible_and_found_by_the_next_attempt(
    open_client: Client, ecomlinx: LocalEcomLinx
) -> None:
    first = open_client().for_event(event(is_order_new=True))
    with pytest.raises(NotYetVisible, match="may appear yet"):
        first.orders.get("ord_overtaken")
    (order_id,) = place_orders(ecomlinx, 1)

    again = open_client().for_event(event(is_order_new=True, fresh_since=now()))

    assert again.orders.get(order_id).id == order_id


def test_what_an_old_event_tells_of_is_not_found(ours: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    place_orders(ecomlinx, 3)
    view = ours.for_event(event(received_at=now() - timedelta(minutes=11)))

    with pytest.raises(NotFound) as caught:
        view.orders.get("ord_x")

    assert type(caught.value) is NotFound


def test_handlers_whose_orders_are_not_there_share_the_calls_that_say_so(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    place_orders(ecomlinx, 120)
    occasion = event(is_order_new=True)

    for number, api in enumerate([ours, theirs] * 5):
        with pytest.raises(NotYetVisible):
            api.for_event(occasion).orders.get(f"ord_missing_{number}")

    assert len(lists(ecomlinx)) == 2


def test_a_copy_from_before_an_event_is_too_old_for_it_unless_an_order_is_new(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    ours.orders.get(order_id)
    ecomlinx.shop.ship(order_id)

    of_new = theirs.for_event(event(is_order_new=True)).orders.get(order_id)
    of_shipped = theirs.for_event(event()).orders.get(order_id)

    assert (of_new.status, of_shipped.status) == ("new", "shipped")
    assert len(lists(ecomlinx)) == 2


def test_whoever_wants_it_fresh_gets_it_fresh(ours: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    assert ours.orders.get(order_id).status == "new"
    ecomlinx.shop.ship(order_id)

    assert ours.orders.get(order_id, fresh_since=now()).status == "shipped"


def test_a_clock_that_is_ahead_makes_copies_neither_needless_nor_useless_for_ever(
    ours: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    ahead = ours.for_event(event(received_at=now() + timedelta(hours=1)))

    assert ahead.orders.get(order_id).id == order_id
    with pytest.raises(NotYetVisible):
        ahead.orders.get("ord_x")


def test_a_search_that_stops_early_says_so(ours: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    oldest = place_orders(ecomlinx, 250)[0]

    with pytest.raises(NotFound, match="2 pages were looked at, and there are more"):
        ours.orders.get(oldest, max_pages=2)
    assert ours.orders.get(oldest).id == oldest


def test_a_handler_that_lags_behind_looks_on_as_long_as_the_list_is_newer_than_its_event(
    ours: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1, age=timedelta(minutes=5))
    place_orders(ecomlinx, 350)
    then = now() - timedelta(minutes=5)

    late = ours.for_event(event(received_at=then, created_at=then, is_order_new=True))

    assert late.orders.get(order_id, max_pages=2).id == order_id
    with pytest.raises(NotFound, match="2 pages were looked at"):
        ours.orders.get("ord_x", max_pages=2)


def test_orders_that_push_others_to_the_next_page_meanwhile_hide_none(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ids = place_orders(ecomlinx, 150)
    with pytest.raises(NotFound):
        ours.orders.get("ord_x")
    pushed = ids[50]
    ours.orders.update(pushed, "processing")
    place_orders(ecomlinx, 60)

    assert theirs.orders.get(pushed).status == "processing"


def test_a_call_that_fails_is_made_again_by_who_waits(
    open_client: Client, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    ecomlinx.fail_next(3, status=500, delay_seconds=0.1)
    failures: list[Exception] = []

    def look_in_vain() -> None:
        try:
            open_client().orders.get(order_id)
        except InternalError as error:
            failures.append(error)

    unlucky = in_the_background(look_in_vain)
    wait_until(lambda: len(ecomlinx.requests) == 1, "the first has asked")
    started = time.monotonic()
    found = open_client().orders.get(order_id)
    unlucky.join()

    assert found.id == order_id
    assert time.monotonic() - started < LEASE_SECONDS - 1
    assert len(failures) == 1


def test_nobody_waits_for_another_for_longer_than_a_call_may_take(
    open_client: Client, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    ecomlinx.fail_next(delay_seconds=1.5)
    slow = in_the_background(lambda: open_client().orders.get(order_id))
    wait_until(lambda: not ecomlinx.faults._faults[0].left, "somebody asks")

    with pytest.raises(Unreachable, match="those who asked before") as caught:
        open_client(timeout=0.3).orders.get(order_id)
    slow.join()

    assert not caught.value.sent


def test_a_spared_call_is_counted_and_watched_by_nobody(
    open_client: Client, ecomlinx: LocalEcomLinx
) -> None:
    class CountingGate(OpenGate):
        hits: list[str]

        def count_hit(self, endpoint: str) -> None:
            self.hits.append(endpoint)

    gate, calls = CountingGate(), list[ApiCall]()
    gate.hits = []
    ids = place_orders(ecomlinx, 3)
    api = open_client(gate=gate, on_call=calls.append)

    for order_id in ids:
        api.orders.get(order_id)

    assert len(calls) == 1
    assert gate.hits == ["GET /v1/orders"] * 2


def test_another_key_has_a_book_of_its_own(open_client: Client, ecomlinx: LocalEcomLinx) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    open_client().orders.get(order_id)

    with pytest.raises(Exception, match="401 unauthorized"):
        open_client("other-key").orders.get(order_id)


def test_the_stock_of_all_skus_costs_one_call(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    items = ours.inventory.list().data

    assert [theirs.inventory.get(item.sku) for item in items] == list(items)
    assert len(lists(ecomlinx)) == 2


def test_a_sku_that_is_nowhere_is_not_found(ours: EcomLinx, theirs: EcomLinx) -> None:
    for api in (ours, theirs):
        with pytest.raises(NotFound, match=r"'NO SUCH\|SKU%' is not in the list"):
            api.inventory.get("NO SUCH|SKU%")
        with pytest.raises(NotYetVisible):
            api.for_event(event()).products.by_sku("NO-SUCH-SKU")


@pytest.mark.parametrize(
    "change",
    [
        lambda api: api.inventory.set(SKU, 77),
        lambda api: api.inventory.adjust(SKU, 77 - 143),
        lambda api: api.products.update(PRODUCT_ID, stock=77),
    ],
    ids=["set", "adjust", "products.update"],
)
def test_a_change_of_stock_is_seen_wherever_stock_is_shown(
    ours: EcomLinx, theirs: EcomLinx, change: Callable[[EcomLinx], object]
) -> None:
    assert theirs.inventory.get(SKU).total_stock == 143
    assert theirs.products.by_sku(SKU).stock == 143

    change(ours)

    assert theirs.inventory.get(SKU).total_stock == 77
    assert theirs.products.by_sku(SKU).stock == 77


def test_an_allocation_is_seen(ours: EcomLinx, theirs: EcomLinx) -> None:
    theirs.inventory.get(SKU)

    ours.inventory.allocate(SKU, {"amazon_in": 1})

    assert theirs.inventory.get(SKU).allocations["amazon_in"] == 1


def test_after_a_cancellation_the_stock_is_asked_for_anew(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    (order_id,) = place_orders(ecomlinx, 1)
    theirs.inventory.get(SKU)
    ecomlinx.shop.set_stock(SKU, 144)

    ours.orders.update(order_id, "cancelled")

    assert theirs.inventory.get(SKU).total_stock == 144


def test_a_product_is_found_by_its_sku_with_one_search_for_all(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    found = {api.products.by_sku(SKU).id for api in (ours, theirs) for _ in range(3)}

    assert found == {PRODUCT_ID}
    assert lists(ecomlinx) == [f"/v1/products?page=1&limit=100&q={SKU}"]


def test_many_products_are_found_with_few_calls(
    ours: EcomLinx, theirs: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    skus = [product.sku for product in ecomlinx.shop.products.all()]

    found = [api.products.by_sku(sku).sku for sku in skus for api in (ours, theirs)]

    assert found == [sku for sku in skus for _ in range(2)]
    assert len(skus) > 20
    assert lists(ecomlinx)[4:] == ["/v1/products?page=1&limit=100"]


def test_a_sku_that_is_in_no_catalogue_is_searched_for_before_it_counts_as_missing(
    ours: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    for product in list(ecomlinx.shop.products.all())[:6]:
        ours.products.by_sku(product.sku)

    with pytest.raises(NotFound, match="'NO-SUCH-SKU' is not in the list"):
        ours.products.by_sku("NO-SUCH-SKU")

    assert lists(ecomlinx)[-1] == "/v1/products?page=1&limit=100&q=NO-SUCH-SKU"


def test_a_change_of_a_product_is_seen(ours: EcomLinx, theirs: EcomLinx) -> None:
    theirs.products.by_sku(SKU)

    ours.products.update(PRODUCT_ID, price=950)

    assert theirs.products.by_sku(SKU).price == 950
