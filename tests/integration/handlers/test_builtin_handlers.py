"""Each built-in handler does its work in a real shop, over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

import handlers.builtin
from core.api import EcomLinx, OpenGate
from core.ledger.database import Database
from handlers.registry import declared_in
from handlers.testing import LocalEcomLinx, OrderStatus, Shop, ShopEvent
from tests.support.workbench import Clock, Workbench
from workers.threads import HandlerThreads

SKU = "BLUE-TEE-M"


@pytest.fixture(scope="module")
def handler_threads() -> HandlerThreads:
    return HandlerThreads(4)


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    with LocalEcomLinx(shop=Shop(sync_speed=1000), limits=()) as local:
        yield local


@pytest.fixture
def shop(ecomlinx: LocalEcomLinx) -> Shop:
    return ecomlinx.shop


@pytest.fixture
def bench(
    ecomlinx: LocalEcomLinx, sqlite_database: Database, handler_threads: HandlerThreads
) -> Iterator[Workbench]:
    """A worker with all built-in handlers on, calling the local EcomLinx."""
    found = [replace(h, enabled=True) for h in declared_in(handlers.builtin.__name__)]
    # A gate that is open: these tests have a clock of their own, and a pause would go by the real.
    with EcomLinx(ecomlinx.api_key, ecomlinx.url, gate=OpenGate()) as api:
        yield Workbench(sqlite_database, Clock(), handler_threads, found, api=api)


Happen = Callable[[Callable[[], Any], str], dict[str, Any]]


@pytest.fixture
def happen(shop: Shop, bench: Workbench) -> Happen:
    """Does something in the shop, delivers the event that follows; returns its deliveries."""

    def do(action: Callable[[], Any], event: str) -> dict[str, Any]:
        emitted: list[ShopEvent] = []
        stop = shop.listen(emitted.append)
        action()
        stop()
        body = next(e.body() for e in emitted if e.name == event)
        return bench.deliveries(bench.deliver_one(body))

    return do


def calls(delivery: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (call["method"], call["path"], call["status"])
        for attempt in delivery["history"]
        for call in attempt["api_calls"]
    ]


def test_a_new_order_becomes_processing(shop: Shop, happen: Happen) -> None:
    deliveries = happen(lambda: shop.place_order("amazon_in", {SKU: 1}), "order.new")

    (order,) = shop.orders.latest(1)
    assert order.status is OrderStatus.PROCESSING
    delivery = deliveries["builtin.new-orders"]
    assert (delivery["status"], delivery["note"]) == ("succeeded", f"{order.id} is processing")
    assert calls(delivery) == [("PATCH", f"/v1/orders/{order.id}", 200)]


def test_a_new_order_that_has_moved_on_is_left_alone(shop: Shop, happen: Happen) -> None:
    def place_and_ship() -> None:
        shop.ship(shop.place_order("amazon_in", {SKU: 1}).id)

    deliveries = happen(place_and_ship, "order.new")

    assert shop.orders.latest(1)[0].status is OrderStatus.SHIPPED
    assert deliveries["builtin.new-orders"]["status"] == "skipped"


def test_a_cancelled_order_puts_its_stock_back(shop: Shop, happen: Happen) -> None:
    before = shop.products.by_sku(SKU).stock
    order = shop.place_order("amazon_in", {SKU: 2})

    deliveries = happen(lambda: shop.cancel(order.id), "order.cancelled")

    assert deliveries["builtin.cancelled-orders"]["note"] == f"put back 2 x {SKU}"
    assert shop.products.by_sku(SKU).stock == before


def test_a_cancelled_order_of_which_the_event_says_no_items_is_looked_up(
    shop: Shop, bench: Workbench
) -> None:
    before = shop.products.by_sku(SKU).stock
    order = shop.place_order("amazon_in", {SKU: 3})
    body = b'{"event":"order.cancelled","created_at":"2026-04-17T09:45:00Z","data":{"id":"%s"}}'

    bench.deliver(body % order.id.encode())

    assert shop.products.by_sku(SKU).stock == before


def test_stock_is_put_back_once_although_the_second_sku_fails(
    ecomlinx: LocalEcomLinx, shop: Shop, bench: Workbench
) -> None:
    second = next(p.sku for p in shop.products.sellable("amazon_in") if p.sku != SKU)
    before = {sku: shop.products.by_sku(sku).stock for sku in (SKU, second)}
    order = shop.place_order("amazon_in", {SKU: 1, second: 1})
    emitted: list[ShopEvent] = []
    shop.listen(emitted.append)
    shop.cancel(order.id)
    ecomlinx.fail_next(1, status=429, retry_after=30, path_prefix=f"/v1/inventory/{second}")

    event_id = bench.deliver_one(emitted[-1].body())
    failed = bench.deliveries(event_id)["builtin.cancelled-orders"]
    bench.run_when_due(event_id, "builtin.cancelled-orders")

    assert (failed["status"], failed["attempts"]) == ("retrying", 1)
    assert bench.deliveries(event_id)["builtin.cancelled-orders"]["status"] == "succeeded"
    assert {sku: shop.products.by_sku(sku).stock for sku in (SKU, second)} == before


def test_an_adjustment_whose_answer_is_lost_is_uncertain_and_not_repeated(
    ecomlinx: LocalEcomLinx, shop: Shop, happen: Happen, bench: Workbench
) -> None:
    before = shop.products.by_sku(SKU).stock
    order = shop.place_order("amazon_in", {SKU: 1})
    ecomlinx.fail_next(1, path_prefix="/v1/inventory", method="PATCH", after_effect=True)

    deliveries = happen(lambda: shop.cancel(order.id), "order.cancelled")

    assert deliveries["builtin.cancelled-orders"]["status"] == "uncertain"
    assert shop.products.by_sku(SKU).stock == before
    assert [a["fingerprint"] for a in bench.alerts()] == [
        "delivery.uncertain:builtin.cancelled-orders"
    ]


def test_low_stock_moves_from_the_slowest_channel_to_the_fastest(
    shop: Shop, happen: Happen
) -> None:
    product = shop.products.by_sku(SKU)
    low = product.reorder_point - 1

    deliveries = happen(lambda: shop.set_stock(SKU, low), "inventory.low")

    delivery = deliveries["builtin.low-stock"]
    assert delivery["status"] == "succeeded", delivery
    assert delivery["note"].startswith("moved ")
    assert ("PATCH", f"/v1/inventory/{SKU}", 200) in calls(delivery)
    assert product.stock == low
    assert sum(product.allocations.values()) <= low


def test_a_sold_out_product_becomes_a_draft(shop: Shop, happen: Happen) -> None:
    deliveries = happen(lambda: shop.set_stock(SKU, 0), "inventory.out")

    assert deliveries["builtin.out-of-stock"]["status"] == "succeeded"
    assert shop.products.by_sku(SKU).status == "draft"


def test_a_product_that_is_left_on_other_channels_stays_live(shop: Shop, happen: Happen) -> None:
    deliveries = happen(lambda: shop.allocate(SKU, {"flipkart": 0}), "inventory.out")

    assert deliveries["builtin.out-of-stock"]["status"] == "skipped"
    assert shop.products.by_sku(SKU).status == "live"


@pytest.mark.parametrize(("grade", "gain"), [("resellable", 2), ("damaged", 0), ("defective", 0)])
def test_only_resellable_returns_go_back_to_stock(
    shop: Shop, happen: Happen, grade: str, gain: int
) -> None:
    order = shop.place_order("amazon_in", {SKU: 2})
    shop.ship(order.id)
    before = shop.products.by_sku(SKU).stock

    deliveries = happen(lambda: shop.receive_return(order.id, grade=grade), "return.received")

    assert shop.products.by_sku(SKU).stock == before + gain
    assert deliveries["builtin.returns"]["status"] == ("succeeded" if gain else "skipped")


def test_a_suppressed_listing_leaves_its_reason(shop: Shop, happen: Happen) -> None:
    deliveries = happen(
        lambda: shop.suppress(SKU, "amazon_in", "Missing HSN code"), "listing.suppressed"
    )

    assert '"reason": "Missing HSN code"' in deliveries["builtin.suppressed-listings"]["note"]


def test_a_failing_channel_is_synced_at_most_once_in_ten_minutes(
    ecomlinx: LocalEcomLinx, shop: Shop, happen: Happen, bench: Workbench
) -> None:
    def fail(code: str) -> str:
        deliveries = happen(lambda: shop.fail_channel("flipkart", code), "channel.error")
        status: str = deliveries["builtin.failing-channels"]["status"]
        return status

    assert [fail("first"), fail("second")] == ["succeeded", "skipped"]
    bench.clock.advance(601)
    assert fail("third") == "succeeded"

    syncs = [r for r in ecomlinx.requests if r.path == "/v1/channels/flipkart/sync"]
    assert len(syncs) == 2


def test_a_sync_that_failed_may_be_started_by_the_next_attempt(
    ecomlinx: LocalEcomLinx, shop: Shop, bench: Workbench
) -> None:
    emitted: list[ShopEvent] = []
    shop.listen(emitted.append)
    shop.fail_channel("meesho")
    ecomlinx.fail_next(5, status=429, retry_after=30, path_prefix="/v1/channels/meesho")

    event_id = bench.deliver_one(emitted[-1].body())
    ecomlinx.faults.clear()
    bench.run_when_due(event_id, "builtin.failing-channels")

    assert bench.deliveries(event_id)["builtin.failing-channels"]["status"] == "succeeded"


def test_a_finished_sync_is_noted(shop: Shop, bench: Workbench) -> None:
    body = (
        b'{"event":"sync.completed","created_at":"2026-04-17T09:45:00Z","data":'
        b'{"sync_id":"sync_4XP9W","channel":"amazon_in","status":"completed"}}'
    )

    delivery = bench.delivery(bench.deliver_one(body))

    assert shop.channels.get("amazon_in").name == "Amazon India"
    assert delivery["note"].startswith("Amazon India: completed, now active with ")


def test_what_no_handler_can_mend_is_told(shop: Shop, happen: Happen, bench: Workbench) -> None:
    happen(lambda: shop.fail_channel("flipkart"), "channel.error")
    happen(lambda: shop.set_stock(SKU, 0), "inventory.out")
    happen(lambda: shop.suppress(SKU, "amazon_in"), "listing.suppressed")

    kinds = [alert["fingerprint"].partition(":")[0] for alert in bench.alerts()]
    assert kinds == ["channel.error", "inventory.out", "listing.suppressed"]


def test_only_the_alerts_are_on_unless_somebody_asks() -> None:
    on = {h.name for h in declared_in(handlers.builtin.__name__) if h.enabled}

    assert on == {
        "builtin.alert-channel-error",
        "builtin.alert-inventory-out",
        "builtin.alert-listing-suppressed",
    }
