"""What can be changed at the local EcomLinx."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from handlers.testing import LocalEcomLinx, ManualClock, Shop, ShopEvent


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ecomlinx(clock: ManualClock) -> Iterator[LocalEcomLinx]:
    with LocalEcomLinx(shop=Shop(now=clock)) as local:
        yield local


@pytest.fixture
def api(ecomlinx: LocalEcomLinx) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {ecomlinx.api_key}"}
    with httpx2.Client(base_url=ecomlinx.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def heard(ecomlinx: LocalEcomLinx) -> list[ShopEvent]:
    """The events that the changes have caused so far."""
    events: list[ShopEvent] = []
    ecomlinx.shop.listen(events.append)
    return events


def patch(api: httpx2.Client, path: str, **body: Any) -> Any:
    answer = api.patch(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_updates_a_product_as_documented(api: httpx2.Client) -> None:
    assert patch(api, "/v1/products/prod_01HX4", price=950) == {
        "id": "prod_01HX4",
        "name": "Premium Cotton T-Shirt \N{EN DASH} Blue / M",
        "price": 950,
        "stock": 143,
        "updated_at": "2026-04-17T09:45:00Z",
    }


def test_updates_every_field_of_a_product(api: httpx2.Client) -> None:
    patch(api, "/v1/products/prod_01HX4", name="Tee", price=949.5, stock=200, status="draft")

    tee = api.get("/v1/products", params={"q": "BLUE-TEE-M"}).json()["data"][0]
    assert (tee["name"], tee["price"], tee["stock"], tee["status"]) == ("Tee", 949.5, 200, "draft")
    assert tee["channels"] == []


def test_ignores_fields_that_are_not_documented(api: httpx2.Client) -> None:
    patch(api, "/v1/products/prod_01HX4", price=950, colour="green")


def test_has_one_number_for_a_products_stock_and_its_skus(api: httpx2.Client) -> None:
    patch(api, "/v1/products/prod_01HX4", stock=99)

    item = api.get("/v1/inventory").json()["data"][0]
    assert (item["sku"], item["total_stock"]) == ("BLUE-TEE-M", 99)
    assert sum(item["allocations"].values()) == 99


def test_adjusts_stock_as_documented(api: httpx2.Client) -> None:
    assert patch(api, "/v1/inventory/BLUE-TEE-M", adjust=17) == {
        "sku": "BLUE-TEE-M",
        "total_stock": 160,
        "allocations": {"amazon_in": 67, "flipkart": 56, "shopify": 37},
        "updated_at": "2026-04-17T09:45:00Z",
    }


def test_sets_stock_and_allocations_at_once(api: httpx2.Client) -> None:
    shares = {"amazon_in": 10, "flipkart": 5, "shopify": 5}

    stock = patch(api, "/v1/inventory/BLUE-TEE-M", quantity=25, allocations=shares)

    assert (stock["total_stock"], stock["allocations"]) == (25, shares)


def test_allocates_to_the_named_channels_only(api: httpx2.Client) -> None:
    stock = patch(api, "/v1/inventory/BLUE-TEE-M", allocations={"amazon_in": 30, "meesho": 30})

    assert stock["total_stock"] == 143
    assert stock["allocations"] == {"amazon_in": 30, "flipkart": 50, "shopify": 33, "meesho": 30}


def test_tells_low_stock_that_a_call_has_caused(api: httpx2.Client, heard: list[ShopEvent]) -> None:
    patch(api, "/v1/inventory/BLUE-TEE-M", adjust=-100)

    assert [event.name for event in heard] == ["inventory.low"]


@pytest.mark.parametrize(
    "allocations",
    [{"amazon_in": 61}, {"amazon_in": 144, "flipkart": 0, "shopify": 0}, {"meesho": 1}],
)
def test_refuses_to_allocate_more_than_there_is(
    api: httpx2.Client, allocations: dict[str, int]
) -> None:
    answer = api.patch("/v1/inventory/BLUE-TEE-M", json={"allocations": allocations})

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "conflict"
    assert "its stock is 143" in answer.json()["error"]["message"]


def test_refuses_to_adjust_below_zero_and_changes_nothing(
    ecomlinx: LocalEcomLinx, api: httpx2.Client, heard: list[ShopEvent]
) -> None:
    answer = api.patch("/v1/inventory/BLUE-TEE-M", json={"adjust": -144})

    assert answer.status_code == 409
    assert ecomlinx.shop.products.by_sku("BLUE-TEE-M").stock == 143
    assert heard == []


def test_updates_an_order_as_documented(api: httpx2.Client) -> None:
    tracking = {"awb": "161234567890", "courier": "Delhivery"}

    assert patch(api, "/v1/orders/ord_8FZ2K", status="shipped", **tracking) == {
        "id": "ord_8FZ2K",
        "status": "shipped",
        "awb": "161234567890",
        "courier": "Delhivery",
        "updated_at": "2026-04-17T09:45:00Z",
    }


def test_keeps_tracking_details_that_are_not_given(api: httpx2.Client) -> None:
    patch(api, "/v1/orders/ord_8FZ2K", status="shipped", awb="1", courier="Delhivery")

    answer = patch(api, "/v1/orders/ord_8FZ2K", status="delivered")

    assert (answer["awb"], answer["courier"]) == ("1", "Delhivery")


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("processing", []),
        ("ready", []),
        ("shipped", ["order.shipped"]),
        ("delivered", []),
        ("cancelled", ["order.cancelled"]),
    ],
)
def test_tells_of_a_status_that_a_call_has_set(
    api: httpx2.Client, heard: list[ShopEvent], status: str, events: list[str]
) -> None:
    patch(api, "/v1/orders/ord_8FZ2K", status=status)
    patch(api, "/v1/orders/ord_8FZ2K", status=status)

    assert [event.name for event in heard] == events


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("delivered", "shipped"),
        ("delivered", "cancelled"),
        ("cancelled", "processing"),
        ("shipped", "processing"),
    ],
)
def test_refuses_to_turn_an_order_back(api: httpx2.Client, first: str, then: str) -> None:
    patch(api, "/v1/orders/ord_8FZ2K", status=first)

    answer = api.patch("/v1/orders/ord_8FZ2K", json={"status": then})

    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == f"Order ord_8FZ2K is {first}, not to be {then}."


def test_refuses_to_change_a_returned_order(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    ecomlinx.shop.ship("ord_8FZ2K")
    ecomlinx.shop.receive_return("ord_8FZ2K")

    assert api.patch("/v1/orders/ord_8FZ2K", json={"status": "delivered"}).status_code == 409


def test_syncs_a_channel_as_documented(
    ecomlinx: LocalEcomLinx, clock: ManualClock, api: httpx2.Client
) -> None:
    job = api.post("/v1/channels/amazon_in/sync").json()
    ecomlinx.shop.add_webhook("http://127.0.0.1:9/hooks", ["sync.completed"], "test-secret")
    clock.advance(job["estimated_seconds"])
    (delivery,) = ecomlinx.wait_for_deliveries(1)

    assert job == {
        "sync_id": job["sync_id"],
        "channel": "amazon_in",
        "status": "queued",
        "estimated_seconds": job["estimated_seconds"],
        "created_at": "2026-04-17T09:45:00Z",
    }
    assert job["sync_id"].startswith("sync_")
    assert job["sync_id"].encode() in delivery.body


def test_registers_shows_and_deletes_a_webhook_as_documented(api: httpx2.Client) -> None:
    wanted = {
        "url": "https://yourapp.com/hooks/ecomlinx",
        "events": ["order.new", "order.shipped"],
        "secret": "my_webhook_secret",
    }
    made = api.post("/v1/webhooks", json=wanted)
    shown = api.get("/v1/webhooks").json()
    deleted = api.delete(f"/v1/webhooks/{made.json()['id']}")

    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"],
        "url": "https://yourapp.com/hooks/ecomlinx",
        "events": ["order.new", "order.shipped"],
        "secret": "whsec_" + "\N{BULLET}" * 12,
        "status": "active",
        "created_at": "2026-04-17T09:45:00Z",
    }
    entry = {name: value for name, value in made.json().items() if name != "secret"}
    assert shown == {"data": [entry]}
    assert deleted.json() == {"deleted": True, "id": entry["id"]}
    assert api.get("/v1/webhooks").json() == {"data": []}
    assert api.delete(f"/v1/webhooks/{entry['id']}").status_code == 404


def test_makes_up_a_secret_where_none_is_given(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    wanted = {"url": "https://yourapp.com/hooks", "events": ["order.new"]}
    made = api.post("/v1/webhooks", json=wanted).json()

    secret = ecomlinx.shop.webhooks.get(made["id"]).secret
    assert len(secret) > 20
    assert secret not in str(made)


def test_refuses_the_same_webhook_twice(api: httpx2.Client) -> None:
    def register(*events: str) -> int:
        wanted = {"url": "https://yourapp.com/hooks", "events": events}
        return api.post("/v1/webhooks", json=wanted).status_code

    assert register("order.new", "order.shipped") == 201
    assert register("order.shipped", "order.new") == 409
    assert register("order.new") == 201


def test_takes_http_on_loopback_where_that_is_allowed() -> None:
    headers = {"Authorization": "Bearer test-key"}
    with (
        LocalEcomLinx(allow_http_loopback=True) as local,
        httpx2.Client(base_url=local.url, headers=headers, trust_env=False) as client,
    ):
        statuses = [
            client.post("/v1/webhooks", json={"url": url, "events": ["order.new"]}).status_code
            for url in ("http://127.0.0.1:8000/hooks", "http://localhost/x", "http://yourapp.com/x")
        ]

    assert statuses == [201, 201, 400]
