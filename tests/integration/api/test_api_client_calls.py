"""Each documented call: what it sends, and what it makes of the documented answer."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from core.api import BadRequest, EcomLinx, NotFound
from tests.integration.api import examples
from tests.integration.api.examples import KEY
from tests.support.scripted_api import ScriptedApi, json_reply


def test_each_request_carries_the_key_and_asks_for_json(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.CHANNELS))

    api.channels.list()

    headers = server.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["accept"] == "application/json"


def test_products_list_asks_for_a_page_of_a_hundred(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.PRODUCTS))

    page = api.products.list()

    assert server.asked == ["GET /v1/products?page=1&limit=100"]
    assert (page.meta.total, page.meta.page, page.meta.limit) == (248, 1, 20)
    product = page.data[0]
    assert product.sku == "BLUE-TEE-M"
    assert product.price == Decimal(899)
    assert product.channels == ("amazon_in", "flipkart", "shopify")
    assert product.updated_at == datetime(2026, 4, 17, 8, 22, 11, tzinfo=UTC)


def test_products_list_sends_each_filter(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.PRODUCTS))

    api.products.list(2, 20, channel="amazon_in", status="live", q="tee & more")

    assert server.asked == [
        "GET /v1/products?page=2&limit=20&channel=amazon_in&status=live&q=tee+%26+more"
    ]


def test_products_get_reads_every_channel(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.PRODUCT_DETAIL))

    product = api.products.get("prod_01HX4")

    assert server.asked == ["GET /v1/products/prod_01HX4"]
    assert product.cogs == Decimal(280)
    assert product.channel_statuses["amazon_in"].listing_id == "B0CXXXX"
    assert product.channel_statuses["meesho"].reason == "Missing HSN code"
    assert product.channel_statuses["meesho"].listing_id is None


def test_products_update_sends_only_what_is_given(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.PRODUCT_UPDATE), json_reply(examples.PRODUCT_UPDATE))

    updated = api.products.update("prod_01HX4", price=950)
    api.products.update("prod_01HX4", name="Tee", stock=0, status="draft")

    assert server.asked == ["PATCH /v1/products/prod_01HX4"] * 2
    assert server.requests[0].json == {"price": 950}
    assert server.requests[1].json == {"name": "Tee", "stock": 0, "status": "draft"}
    assert updated.price == Decimal(950)


@pytest.mark.parametrize("price", ["949.10", "0.1", "12345678901234567890.01", "1E+3"])
def test_products_update_sends_a_decimal_price_digit_by_digit(
    api: EcomLinx, server: ScriptedApi, price: str
) -> None:
    server.answers(json_reply(examples.PRODUCT_UPDATE))

    api.products.update("prod_01HX4", price=Decimal(price))

    assert server.requests[0].body == b'{"price":%b}' % format(Decimal(price), "f").encode()


@pytest.mark.parametrize("fields", [{}, {"price": float("nan")}, {"price": Decimal("Infinity")}])
def test_products_update_refuses_what_no_request_could_say(
    api: EcomLinx, server: ScriptedApi, fields: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest, match="not sent"):
        api.products.update("prod_01HX4", **fields)

    assert server.requests == []


def test_inventory_list_sends_filters_and_reads_the_summary(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(json_reply(examples.INVENTORY))

    stock = api.inventory.list(status="critical", channel="amazon_in")

    assert server.asked == ["GET /v1/inventory?status=critical&channel=amazon_in"]
    assert stock.data[0].velocity == 4.2
    assert stock.data[0].allocations == {"amazon_in": 60, "flipkart": 50, "shopify": 33}
    assert stock.summary.total_units == 4821


def test_inventory_get_finds_the_sku_in_the_list(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.INVENTORY))

    assert api.inventory.get("BLUE-TEE-M").total_stock == 143
    assert server.asked == ["GET /v1/inventory"]


def test_inventory_get_says_which_sku_is_not_there(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.INVENTORY))

    with pytest.raises(NotFound, match="'RED-TEE-S' is not in the list") as caught:
        api.inventory.get("RED-TEE-S")

    assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_each_way_to_change_stock_sends_its_own_field(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(*[json_reply(examples.STOCK_UPDATE)] * 3)

    api.inventory.set("BLUE-TEE-M", 160)
    api.inventory.adjust("BLUE-TEE-M", -17)
    updated = api.inventory.allocate("BLUE-TEE-M", {"amazon_in": 70})

    assert server.asked == ["PATCH /v1/inventory/BLUE-TEE-M"] * 3
    assert [request.json for request in server.requests] == [
        {"quantity": 160},
        {"adjust": -17},
        {"allocations": {"amazon_in": 70}},
    ]
    assert updated.total_stock == 160
    assert updated.allocations["shopify"] == 30


def test_orders_list_sends_filters_and_reads_an_order(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.ORDERS))

    page = api.orders.list(status="new", channel="amazon_in", from_="2026-04-01")

    assert server.asked == [
        "GET /v1/orders?status=new&channel=amazon_in&from=2026-04-01&page=1&limit=100"
    ]
    order = page.data[0]
    assert order.awb is None
    assert order.customer is not None
    assert order.customer.city == "Mumbai"
    assert order.items[0].price == Decimal(899)
    assert order.sla_deadline == datetime(2026, 4, 18, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "from_",
    [
        date(2026, 4, 1),
        datetime(2026, 4, 1, 23, 30, tzinfo=UTC),
        datetime.fromisoformat("2026-04-02T03:00:00+05:30"),
    ],
)
def test_orders_from_a_moment_are_asked_for_from_its_day_in_utc(
    api: EcomLinx, server: ScriptedApi, from_: date
) -> None:
    server.answers(json_reply(examples.ORDERS))

    api.orders.list(from_=from_)

    assert server.asked == ["GET /v1/orders?from=2026-04-01&page=1&limit=100"]


def test_orders_update_sends_the_status_and_the_tracking(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(*[json_reply(examples.ORDER_UPDATE)] * 2)

    api.orders.update("ord_8FZ2K", "processing")
    updated = api.orders.update("ord_8FZ2K", "shipped", awb="161234567890", courier="Delhivery")

    assert server.asked == ["PATCH /v1/orders/ord_8FZ2K"] * 2
    assert server.requests[0].json == {"status": "processing"}
    assert server.requests[1].json == {
        "status": "shipped",
        "awb": "161234567890",
        "courier": "Delhivery",
    }
    assert updated.courier == "Delhivery"


def test_channels_are_listed_and_synced(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.CHANNELS), json_reply(examples.SYNC_JOB))

    channels = api.channels.list()
    job = api.channels.sync("amazon_in")

    assert server.asked == ["GET /v1/channels", "POST /v1/channels/amazon_in/sync"]
    assert channels[0].orders_today == 7
    assert (job.sync_id, job.status, job.estimated_seconds) == ("sync_4XP9W", "queued", 12)


def test_webhooks_are_listed_and_deleted(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.WEBHOOKS), json_reply(examples.DELETED))

    webhooks = api.webhooks.list()
    deleted = api.webhooks.delete("wh_7KL3M")

    assert server.asked == ["GET /v1/webhooks", "DELETE /v1/webhooks/wh_7KL3M"]
    assert webhooks[0].events == ("order.new", "inventory.low", "return.received")
    assert deleted.deleted


@pytest.mark.parametrize("secret", ["test-webhook-secret", SecretStr("test-webhook-secret")])
def test_a_webhook_is_registered_with_its_secret(
    api: EcomLinx, server: ScriptedApi, secret: SecretStr | str
) -> None:
    server.answers(json_reply(examples.REGISTERED))
    url = "https://yourapp.com/hooks/ecomlinx"

    webhook = api.webhooks.register(url, ["order.new", "order.shipped"], secret)

    assert server.asked == ["POST /v1/webhooks"]
    assert server.requests[0].json == {
        "url": url,
        "events": ["order.new", "order.shipped"],
        "secret": "test-webhook-secret",
    }
    assert webhook.secret is not None
    assert webhook.secret.get_secret_value() == "test-webhook-secret"
    assert "test-webhook-secret" not in repr(webhook)


def test_a_webhook_is_registered_without_a_secret(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.WEBHOOK, 201))

    assert api.webhooks.register("https://yourapp.com/hooks", ["order.new"]).secret is None
    assert "secret" not in server.requests[0].json


@pytest.mark.parametrize(
    ("sku", "target"),
    [
        ("A/B", "/v1/inventory/A%2FB"),
        ("../webhooks", "/v1/inventory/..%2Fwebhooks"),
        ("A?limit=1#x", "/v1/inventory/A%3Flimit%3D1%23x"),
        ("50% off", "/v1/inventory/50%25%20off"),
        ("%2e%2e", "/v1/inventory/%252e%252e"),
        ("नीला", "/v1/inventory/%E0%A4%A8%E0%A5%80%E0%A4%B2%E0%A4%BE"),
        ("a\r\nb", "/v1/inventory/a%0D%0Ab"),
        ("...", "/v1/inventory/..."),
    ],
)
def test_no_sku_changes_the_path(api: EcomLinx, server: ScriptedApi, sku: str, target: str) -> None:
    server.answers(json_reply(examples.STOCK_UPDATE))

    api.inventory.set(sku, 1)

    assert server.asked == [f"PATCH {target}"]


@pytest.mark.parametrize("sku", ["", ".", ".."])
def test_what_would_be_a_step_in_the_path_is_not_sent(
    api: EcomLinx, server: ScriptedApi, sku: str
) -> None:
    with pytest.raises(BadRequest, match="not sent"):
        api.inventory.set(sku, 1)

    assert server.requests == []


def test_a_base_url_may_have_a_path(server: ScriptedApi) -> None:
    server.answers(json_reply(examples.CHANNELS))

    with EcomLinx(KEY, f"{server.url}/proxied/") as api:
        api.channels.list()

    assert server.asked == ["GET /proxied/v1/channels"]
