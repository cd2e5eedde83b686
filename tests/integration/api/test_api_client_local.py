"""The client against the local EcomLinx: what several calls make of its state together."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.api import (
    BadRequest,
    EcomLinx,
    EcomLinxError,
    InternalError,
    NotFound,
    Unreachable,
)
from handlers.testing import LocalEcomLinx, Window

KEY = "test-key"
SKU = "BLUE-TEE-M"
PRODUCT_ID = "prod_01HX4"
URL = "https://yourapp.com/hooks/ecomlinx"


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    """A local EcomLinx with three weeks of orders, and no limits."""
    with LocalEcomLinx(KEY, limits=()) as local:
        yield local


@pytest.fixture
def api(ecomlinx: LocalEcomLinx) -> Iterator[EcomLinx]:
    """A client of it."""
    with EcomLinx(KEY, ecomlinx.url) as client:
        yield client


@pytest.fixture(scope="module")
def unchanged() -> Iterator[EcomLinx]:
    """A client of a local EcomLinx that tests share and leave as it is."""
    with LocalEcomLinx(KEY, limits=()) as local, EcomLinx(KEY, local.url) as client:
        yield client


def test_products_are_listed_read_and_updated(api: EcomLinx) -> None:
    listed = api.products.list(q=SKU).data[0]

    updated = api.products.update(
        PRODUCT_ID, name="Blue Tee", price=Decimal("949.50"), stock=120, status="draft"
    )

    assert (listed.id, listed.price, listed.stock, listed.status) == (
        PRODUCT_ID,
        Decimal(899),
        143,
        "live",
    )
    assert (updated.name, updated.price, updated.stock) == ("Blue Tee", Decimal("949.50"), 120)
    product = api.products.get(PRODUCT_ID)
    assert (product.name, product.price, product.stock) == ("Blue Tee", Decimal("949.5"), 120)
    assert product.channel_statuses["meesho"].reason == "Missing HSN code"
    assert product.channel_statuses["amazon_in"].listing_id is not None
    assert api.products.list(q="Blue Tee").data[0].status == "draft"


def test_stock_is_set_adjusted_and_allocated(api: EcomLinx) -> None:
    assert api.inventory.set(SKU, 200).total_stock == 200
    assert api.inventory.adjust(SKU, -40).total_stock == 160
    assert api.inventory.allocate(SKU, {"amazon_in": 10}).allocations["amazon_in"] == 10

    item = api.inventory.get(SKU)
    assert (item.total_stock, item.allocations["amazon_in"]) == (160, 10)


def test_stock_is_allocated_by_channel_and_summed_up(unchanged: EcomLinx) -> None:
    everything = unchanged.inventory.list()
    on_shopify = unchanged.inventory.list(channel="shopify").data

    assert all(set(item.allocations) == {"shopify"} for item in on_shopify)
    assert everything.summary.total_units == sum(item.total_stock for item in everything.data)
    assert everything.summary.out_of_stock == 1


def test_what_never_sells_has_no_restock_days(unchanged: EcomLinx) -> None:
    assert unchanged.inventory.get("HDMI-2M").restock_days is None


def test_an_order_is_found_and_shipped(api: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    placed = ecomlinx.shop.place_order("amazon_in", {SKU: 2})

    order = api.orders.get(placed.id)
    updated = api.orders.update(placed.id, "shipped", awb="161234567890", courier="Delhivery")

    assert (order.status, order.total, order.awb) == ("new", Decimal(1798), None)
    assert (order.items[0].sku, order.items[0].qty) == (SKU, 2)
    assert abs(datetime.now(UTC) - order.created_at) < timedelta(minutes=1)
    assert (updated.status, updated.awb) == ("shipped", "161234567890")
    assert api.orders.get(placed.id).awb == "161234567890"


def test_all_orders_are_walked_once_and_newest_first(
    api: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    walked = list(api.orders.iterate())

    assert len({order.id for order in walked}) == len(walked) == len(ecomlinx.shop.orders)
    assert len(walked) > 200
    assert walked == sorted(walked, key=lambda order: order.created_at, reverse=True)


def test_orders_that_arrive_while_walking_hide_none(api: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    before = {order.id for order in ecomlinx.shop.orders.newest_first()}

    walked = []
    for number, order in enumerate(api.orders.iterate()):
        walked.append(order.id)
        if number % 40 == 0:
            ecomlinx.shop.place_order("flipkart", {"SOCKS-3PK": 1})

    assert len(walked) == len(set(walked))
    assert before <= set(walked)


def test_an_order_is_not_looked_for_before_its_time(api: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    oldest = list(ecomlinx.shop.orders.newest_first())[-1]

    assert api.orders.get(oldest.id, since=oldest.created_at - timedelta(hours=1)).id == oldest.id
    with pytest.raises(NotFound):
        api.orders.get(oldest.id, since=oldest.created_at + timedelta(hours=1))


def test_channels_are_listed_and_synced(api: EcomLinx) -> None:
    channels = {channel.id: channel for channel in api.channels.list()}
    job = api.channels.sync("amazon_in")

    assert set(channels) == {"amazon_in", "flipkart", "meesho", "shopify"}
    assert channels["amazon_in"].status == "active"
    assert channels["amazon_in"].last_synced is not None
    assert (job.channel, job.status) == ("amazon_in", "queued")


def test_a_webhook_is_registered_listed_and_deleted(api: EcomLinx) -> None:
    registered = api.webhooks.register(URL, ["order.new", "order.shipped"], "test-secret")

    (listed,) = api.webhooks.list()
    deleted = api.webhooks.delete(registered.id)

    assert (listed.id, listed.url, listed.events) == (
        registered.id,
        URL,
        ("order.new", "order.shipped"),
    )
    assert registered.secret is not None
    assert listed.secret is None
    assert (deleted.id, deleted.deleted) == (registered.id, True)
    assert api.webhooks.list() == ()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda api: api.inventory.allocate(SKU, {"nowhere": 1}), BadRequest),
        (lambda api: api.webhooks.register(URL, []), BadRequest),
        (lambda api: api.inventory.set("A/B", 1), NotFound),
        (lambda api: api.inventory.get("NO-SUCH-SKU"), NotFound),
        (lambda api: api.orders.get("ord_x"), NotFound),
    ],
)
def test_what_ecomlinx_refuses_is_raised(
    unchanged: EcomLinx, call: Callable[[EcomLinx], Any], kind: type[EcomLinxError]
) -> None:
    with pytest.raises(EcomLinxError) as caught:
        call(unchanged)

    assert type(caught.value) is kind


def test_a_short_limit_is_waited_out_within_the_call() -> None:
    with (
        LocalEcomLinx(KEY, limits=[Window(1, 0.5)]) as local,
        EcomLinx(KEY, local.url) as api,
    ):
        api.channels.list()
        api.inventory.adjust(SKU, 1)

        assert [request.status for request in local.requests] == [200, 429, 200]
        assert local.shop.products.by_sku(SKU).stock == 144


def test_an_adjustment_whose_answer_is_lost_is_made_once(
    api: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ecomlinx.fail_next(method="PATCH", after_effect=True)

    with pytest.raises(Unreachable) as caught:
        api.inventory.adjust(SKU, 17)

    assert caught.value.outcome_unknown
    assert api.inventory.get(SKU).total_stock == 160


def test_an_absolute_change_whose_answer_is_lost_is_made_again(
    api: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ecomlinx.fail_next(method="PATCH", after_effect=True)

    assert api.inventory.set(SKU, 160).total_stock == 160


def test_a_webhook_whose_deletion_got_no_answer_counts_as_deleted(
    api: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    webhook = api.webhooks.register(URL, ["order.new"])
    ecomlinx.fail_next(status=502, method="DELETE", after_effect=True)

    assert api.webhooks.delete(webhook.id).deleted
    assert [request.status for request in ecomlinx.requests][-2:] == [502, 404]


def test_a_server_that_fails_for_a_moment_is_not_noticed(
    api: EcomLinx, ecomlinx: LocalEcomLinx
) -> None:
    ecomlinx.fail_next(status=500)
    ecomlinx.fail_next()

    assert api.channels.list()


def test_a_server_that_fails_for_longer_is_told(api: EcomLinx, ecomlinx: LocalEcomLinx) -> None:
    ecomlinx.fail_next(3, status=500)

    with pytest.raises(InternalError, match="500 internal_error"):
        api.channels.list()
