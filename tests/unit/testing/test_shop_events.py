"""Which change of a shop tells which event, and what is in it."""

import json

import pytest

from core.events import parse
from handlers.testing import ManualClock, RefusedError, Shop, ShopEvent


def names(heard: list[ShopEvent]) -> list[str]:
    return [event.name for event in heard]


def test_writes_a_body_as_documented(shop: Shop, heard: list[ShopEvent]) -> None:
    order = shop.place_order("amazon_in", {"BLUE-TEE-M": 1})

    assert json.loads(heard[0].body()) == {
        "event": "order.new",
        "created_at": "2026-04-17T09:45:00Z",
        "data": {"id": order.id, "channel": "amazon_in", "total": 899, "status": "new"},
    }


def test_tells_of_a_shipped_order_with_its_tracking_number(
    shop: Shop, heard: list[ShopEvent]
) -> None:
    shop.ship("ord_8FZ2K", "161234567890", "Delhivery")

    assert names(heard) == ["order.shipped"]
    assert heard[0].data == {
        "id": "ord_8FZ2K",
        "channel": "amazon_in",
        "total": 899,
        "status": "shipped",
        "awb": "161234567890",
        "courier": "Delhivery",
    }


def test_tells_of_a_cancelled_order_with_its_items(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.cancel("ord_8FZ2K")

    assert names(heard) == ["order.cancelled"]
    assert heard[0].data == {
        "id": "ord_8FZ2K",
        "channel": "amazon_in",
        "total": 899,
        "status": "cancelled",
        "items": [{"sku": "BLUE-TEE-M", "qty": 1}],
    }


def test_does_not_put_cancelled_pieces_back(shop: Shop) -> None:
    order = shop.place_order("amazon_in", {"BLUE-TEE-M": 3})
    shop.cancel(order.id)

    assert shop.products.by_sku("BLUE-TEE-M").stock == 140


def test_tells_of_a_status_once(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.ship("ord_8FZ2K")
    shop.ship("ord_8FZ2K", awb="another")

    assert names(heard) == ["order.shipped"]
    assert shop.orders.get("ord_8FZ2K").awb == "another"


def test_tells_nothing_of_a_delivered_order(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.deliver("ord_8FZ2K")

    assert heard == []


def test_tells_of_low_stock_when_it_falls_below_the_reorder_point(
    shop: Shop, heard: list[ShopEvent]
) -> None:
    shop.set_stock("BLUE-TEE-M", 59)
    assert heard == []

    shop.place_order("flipkart", {"BLUE-TEE-M": 1})
    shop.place_order("flipkart", {"BLUE-TEE-M": 1})

    assert names(heard) == ["order.new", "inventory.low", "order.new"]
    assert heard[1].data == {
        "sku": "BLUE-TEE-M",
        "total_stock": 58,
        "reorder_point": 59,
        "velocity": 4.2,
    }


def test_tells_of_low_stock_again_after_it_was_replenished(
    shop: Shop, heard: list[ShopEvent]
) -> None:
    shop.set_stock("BLUE-TEE-M", 50)
    shop.adjust_stock("BLUE-TEE-M", 50)
    shop.adjust_stock("BLUE-TEE-M", -50)

    assert names(heard) == ["inventory.low", "inventory.low"]


def test_tells_which_channel_has_sold_out(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.place_order("shopify", {"BLUE-TEE-M": 33})

    assert names(heard) == ["order.new", "inventory.out"]
    assert heard[1].data == {"sku": "BLUE-TEE-M", "channel": "shopify", "total_stock": 110}


def test_tells_of_every_channel_when_nothing_is_left(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.set_stock("BLUE-TEE-M", 0)

    assert names(heard) == ["inventory.low", *["inventory.out"] * 3]
    assert [event.data["channel"] for event in heard[1:]] == ["amazon_in", "flipkart", "shopify"]


def test_tells_of_no_channel_when_the_last_was_allocated_to_none(
    shop: Shop, heard: list[ShopEvent]
) -> None:
    shop.allocate("BLUE-TEE-M", {"amazon_in": 0, "flipkart": 0, "shopify": 0})
    heard.clear()

    shop.set_stock("BLUE-TEE-M", 0)

    assert names(heard) == ["inventory.low", "inventory.out"]
    assert heard[1].data == {"sku": "BLUE-TEE-M", "channel": None, "total_stock": 0}


def test_tells_of_a_graded_return(shop: Shop, heard: list[ShopEvent]) -> None:
    order = shop.place_order("amazon_in", {"BLUE-TEE-M": 3, "CABLE-USBC-1M": 1})
    shop.deliver(order.id)
    heard.clear()

    return_id = shop.receive_return(order.id, "BLUE-TEE-M", 2, "damaged", "Torn")

    assert names(heard) == ["return.received"]
    assert heard[0].data == {
        "id": return_id,
        "order_id": order.id,
        "channel": "amazon_in",
        "sku": "BLUE-TEE-M",
        "qty": 2,
        "grade": "damaged",
        "reason": "Torn",
    }
    assert return_id.startswith("ret_")
    assert order.status == "return"


def test_takes_no_more_back_than_was_ordered(shop: Shop, heard: list[ShopEvent]) -> None:
    order = shop.place_order("amazon_in", {"BLUE-TEE-M": 2, "CABLE-USBC-1M": 1})
    shop.ship(order.id)
    heard.clear()

    for _ in range(2):
        shop.receive_return(order.id)
    with pytest.raises(RefusedError, match="0 x nothing out"):
        shop.receive_return(order.id)

    assert [(event.data["sku"], event.data["qty"]) for event in heard] == [
        ("BLUE-TEE-M", 2),
        ("CABLE-USBC-1M", 1),
    ]


def test_takes_nothing_back_that_was_never_sent(shop: Shop, heard: list[ShopEvent]) -> None:
    with pytest.raises(RefusedError, match="processing"):
        shop.receive_return("ord_8FZ2K")

    assert heard == []


def test_tells_of_a_suppressed_listing(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.suppress("BLUE-TEE-M", "flipkart", "Brand approval has expired")

    assert names(heard) == ["listing.suppressed"]
    listing = shop.products.get("prod_01HX4").listings["flipkart"]
    assert heard[0].data == {
        "product_id": "prod_01HX4",
        "sku": "BLUE-TEE-M",
        "channel": "flipkart",
        "listing_id": listing.listing_id,
        "reason": "Brand approval has expired",
    }


def test_calls_a_product_suppressed_when_no_channel_shows_it(shop: Shop) -> None:
    tee = shop.products.get("prod_01HX4")
    for channel in ("amazon_in", "flipkart", "shopify"):
        assert tee.status == "live"
        shop.suppress(tee.sku, channel)
    assert tee.status == "suppressed"

    shop.relist(tee.sku, "flipkart")

    assert (tee.status, tee.live_channels) == ("live", ["flipkart"])


def test_tells_of_a_failing_channel_each_time(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.fail_channel("meesho", "timeout", "No answer.")
    shop.fail_channel("meesho", "timeout", "No answer.")

    assert names(heard) == ["channel.error", "channel.error"]
    assert heard[0].data == {"channel": "meesho", "code": "timeout", "message": "No answer."}
    assert shop.channels.get("meesho").status == "error"


def test_tells_of_a_sync_when_its_time_has_passed(
    shop: Shop, clock: ManualClock, heard: list[ShopEvent]
) -> None:
    job = shop.start_sync("amazon_in")
    shop.place_order("amazon_in", {"BLUE-TEE-M": 1})
    heard.clear()
    clock.advance(job.estimated_seconds - 1)
    shop.finish_due_syncs()
    assert heard == []

    clock.advance(1)
    shop.finish_due_syncs()
    shop.finish_due_syncs()

    assert names(heard) == ["sync.completed"]
    assert heard[0].data == {
        "sync_id": job.id,
        "channel": "amazon_in",
        "status": "completed",
        "orders": 1,
        "listings": shop.products.live_on("amazon_in"),
        "duration_seconds": job.estimated_seconds,
    }
    assert shop.channels.get("amazon_in").last_synced == clock()


def test_syncs_faster_where_that_is_wanted(clock: ManualClock) -> None:
    shop = Shop(now=clock, sync_speed=10)
    heard: list[ShopEvent] = []
    shop.listen(heard.append)
    job = shop.start_sync("shopify")

    clock.advance(job.estimated_seconds / 10)
    shop.finish_due_syncs()

    assert names(heard) == ["sync.completed"]


def test_tells_that_a_sync_failed_while_the_channel_does(
    shop: Shop, clock: ManualClock, heard: list[ShopEvent]
) -> None:
    synced_before = shop.channels.get("amazon_in").last_synced
    shop.fail_channel("amazon_in")
    shop.start_sync("amazon_in")
    clock.advance(60)

    shop.finish_due_syncs()

    assert heard[-1].data["status"] == "failed"
    assert shop.channels.get("amazon_in").last_synced == synced_before


def test_sells_no_more_than_a_channel_has(shop: Shop, heard: list[ShopEvent]) -> None:
    with pytest.raises(RefusedError, match="shopify has 33 x BLUE-TEE-M") as refused:
        shop.place_order("shopify", {"CABLE-USBC-1M": 1, "BLUE-TEE-M": 34})

    assert refused.value.code == "conflict"
    assert heard == []
    assert shop.products.by_sku("CABLE-USBC-1M").stock == 365


def test_tells_no_more_to_who_has_stopped_listening(shop: Shop) -> None:
    heard: list[ShopEvent] = []
    stop = shop.listen(heard.append)
    stop()

    shop.cancel("ord_8FZ2K")

    assert heard == []


def test_tells_events_that_our_own_code_can_read(shop: Shop, heard: list[ShopEvent]) -> None:
    shop.place_order()

    assert getattr(parse(heard[0].body()), "type", None) == "order.new"
