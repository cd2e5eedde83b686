"""What the local EcomLinx shows: every list, filter and page."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from handlers.testing import LocalEcomLinx, ManualClock, OrderStatus, ProductStatus, Shop


@pytest.fixture(scope="module")
def ecomlinx() -> Iterator[LocalEcomLinx]:
    with LocalEcomLinx(shop=Shop(now=ManualClock()), limits=()) as local:
        yield local


@pytest.fixture(scope="module")
def api(ecomlinx: LocalEcomLinx) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {ecomlinx.api_key}"}
    with httpx2.Client(base_url=ecomlinx.url, headers=headers, trust_env=False) as client:
        yield client


def read(api: httpx2.Client, path: str, **query: str | int) -> Any:
    answer = api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def skus(answer: Any) -> list[str]:
    return [entry["sku"] for entry in answer["data"]]


def test_lists_products_as_documented(api: httpx2.Client) -> None:
    answer = read(api, "/v1/products")

    first = answer["data"][0]
    assert first == {
        "id": "prod_01HX4",
        "sku": "BLUE-TEE-M",
        "name": "Premium Cotton T-Shirt \N{EN DASH} Blue / M",
        "status": "live",
        "price": 899,
        "stock": 143,
        "health_score": 87,
        "channels": ["amazon_in", "flipkart", "shopify"],
        "updated_at": first["updated_at"],
    }
    assert datetime.strptime(first["updated_at"], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007
    assert answer["meta"] == {"total": 41, "page": 1, "limit": 20}
    assert len(answer["data"]) == 20


def test_shows_one_product_as_documented(api: httpx2.Client) -> None:
    product = read(api, "/v1/products/prod_01HX4")

    statuses = product["channel_statuses"]
    assert list(product) == [
        *("id", "sku", "name", "category", "price", "stock", "cogs", "health_score"),
        *("channel_statuses", "images", "updated_at"),
    ]
    assert product["category"] == "Apparel > T-Shirts"
    assert statuses["meesho"] == {"status": "suppressed", "reason": "Missing HSN code"}
    assert statuses["amazon_in"].keys() == {"status", "listing_id"}
    assert statuses["amazon_in"]["status"] == "live"


def test_filters_products_by_channel(api: httpx2.Client) -> None:
    on_meesho = read(api, "/v1/products", channel="meesho", limit=100)

    assert "BEDSHEET-KNG" in skus(on_meesho)
    assert "BLUE-TEE-M" in skus(on_meesho), "a suppressed listing is one too"
    assert "BLUE-TEE-L" not in skus(on_meesho)
    assert on_meesho["meta"]["total"] == len(on_meesho["data"])


@pytest.mark.parametrize("status", ProductStatus)
def test_filters_products_by_status(api: httpx2.Client, status: str) -> None:
    found = read(api, "/v1/products", status=status, limit=100)["data"]

    assert found
    assert {product["status"] for product in found} == {status}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("premium cotton", ["BLUE-TEE-M", "BLUE-TEE-L", "BLACK-TEE-M", "WHITE-TEE-S"]),
        ("blue-tee", ["BLUE-TEE-M", "BLUE-TEE-L"]),
        ("BLUE-TEE-M", ["BLUE-TEE-M"]),
        ("no such thing", []),
    ],
)
def test_searches_products_by_name_or_sku(api: httpx2.Client, words: str, found: list[str]) -> None:
    assert skus(read(api, "/v1/products", q=words)) == found


def test_combines_filters(api: httpx2.Client) -> None:
    answer = read(api, "/v1/products", q="tee", channel="meesho", status="live")

    assert skus(answer) == ["BLUE-TEE-M", "BLACK-TEE-M", "TIFFIN-SS3"]


def test_finds_nothing_on_a_channel_that_is_not_connected(api: httpx2.Client) -> None:
    assert read(api, "/v1/products", channel="myntra")["meta"]["total"] == 0


def test_lists_inventory_as_documented(api: httpx2.Client) -> None:
    answer = read(api, "/v1/inventory")

    assert answer["data"][0] == {
        "sku": "BLUE-TEE-M",
        "total_stock": 143,
        "status": "healthy",
        "velocity": 4.2,
        "restock_days": 34,
        "allocations": {"amazon_in": 60, "flipkart": 50, "shopify": 33},
    }
    assert answer["summary"] == {"total_units": 4821, "critical_skus": 3, "out_of_stock": 1}
    assert sum(item["total_stock"] for item in answer["data"]) == 4821


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("critical", ["JEANS-SLM-34", "MUG-SET6", "EARBUDS-WHT"]),
        ("low", ["SAREE-GRN", "TAWA-28", "CHRG-65W"]),
        ("dead_stock", ["DIYA-12PK", "HDMI-2M"]),
    ],
)
def test_filters_inventory_by_status(api: httpx2.Client, status: str, found: list[str]) -> None:
    answer = read(api, "/v1/inventory", status=status)

    assert skus(answer) == found
    assert answer["summary"]["total_units"] == 4821, "the summary is about all stock"


def test_filters_allocations_by_channel(api: httpx2.Client) -> None:
    items = read(api, "/v1/inventory", channel="shopify")["data"]

    assert items[0]["allocations"] == {"shopify": 33}
    assert all(item["allocations"].keys() == {"shopify"} for item in items)
    assert "POLO-OLIVE-L" not in [item["sku"] for item in items]


def test_agrees_on_stock_in_both_lists(api: httpx2.Client) -> None:
    products = read(api, "/v1/products", limit=100)["data"]
    inventory = read(api, "/v1/inventory")["data"]

    assert {p["sku"]: p["stock"] for p in products} == {
        i["sku"]: i["total_stock"] for i in inventory
    }


def test_lists_orders_as_documented(api: httpx2.Client) -> None:
    orders = read(api, "/v1/orders", limit=100, **{"from": "2026-04-17"})["data"]

    assert next(order for order in orders if order["id"] == "ord_8FZ2K") == {
        "id": "ord_8FZ2K",
        "channel": "amazon_in",
        "channel_order_id": "402-1234567-1234567",
        "status": "processing",
        "customer": {"name": "Priya Sharma", "city": "Mumbai"},
        "items": [{"sku": "BLUE-TEE-M", "qty": 1, "price": 899}],
        "total": 899,
        "awb": None,
        "sla_deadline": "2026-04-18T07:45:00Z",
        "created_at": "2026-04-17T07:45:00Z",
    }


def test_lists_every_order_once_and_the_newest_first(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    total = read(api, "/v1/orders")["meta"]["total"]
    pages = [read(api, "/v1/orders", page=n, limit=100)["data"] for n in range(1, 6)]
    orders = [order for page in pages for order in page]

    times = [order["created_at"] for order in orders]
    assert [len(page) for page in pages] == [100, 100, 100, total - 300, 0]
    assert times == sorted(times, reverse=True)
    assert len({order["id"] for order in orders}) == total == len(ecomlinx.shop.orders)


@pytest.mark.parametrize("status", OrderStatus)
def test_filters_orders_by_status(api: httpx2.Client, status: str) -> None:
    found = read(api, "/v1/orders", status=status)["data"]

    assert found
    assert {order["status"] for order in found} == {status}


def test_filters_orders_by_channel_and_day(api: httpx2.Client) -> None:
    everything = [
        order
        for page in range(1, 5)
        for order in read(api, "/v1/orders", page=page, limit=100)["data"]
    ]

    found = read(api, "/v1/orders", channel="flipkart", limit=100, **{"from": "2026-04-10"})

    assert found["data"] == [
        order
        for order in everything
        if order["channel"] == "flipkart" and order["created_at"] >= "2026-04-10T00:00:00Z"
    ]
    assert 0 < found["meta"]["total"] < 100


def test_totals_every_order(api: httpx2.Client) -> None:
    for order in read(api, "/v1/orders", limit=100)["data"]:
        assert order["total"] == sum(item["price"] * item["qty"] for item in order["items"])


def test_lists_channels_as_documented(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    channels = read(api, "/v1/channels")["data"]

    assert [channel["id"] for channel in channels] == [
        *("amazon_in", "flipkart", "meesho", "shopify"),
    ]
    today = datetime(2026, 4, 17, tzinfo=UTC)
    orders = [o for o in ecomlinx.shop.orders.newest_first() if o.created_at >= today]
    assert channels[0] == {
        "id": "amazon_in",
        "name": "Amazon India",
        "status": "active",
        "last_synced": "2026-04-17T09:39:00Z",
        "orders_today": sum(order.channel == "amazon_in" for order in orders),
        "active_listings": sum("amazon_in" in p["channels"] for p in every_product(api)),
    }


def every_product(api: httpx2.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(api, "/v1/products", limit=100)["data"]
    return found


@pytest.mark.parametrize("path", ["/v1/products", "/v1/orders"])
def test_shows_an_empty_page_behind_the_last(api: httpx2.Client, path: str) -> None:
    answer = read(api, path, page=1000, limit=100)

    assert answer["data"] == []
    assert answer["meta"]["page"] == 1000
    assert answer["meta"]["total"] > 0


@pytest.mark.parametrize("path", ["/v1/products", "/v1/orders"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("page", value) for value in ("0", "-1", "1.0", "one", "", "٣", "9999999999")),
        *(("limit", value) for value in ("0", "-5", "101", "1e2", "+5", " 5")),
    ],
)
def test_refuses_pages_that_are_out_of_bounds(
    api: httpx2.Client, path: str, name: str, value: str
) -> None:
    answer = api.get(path, params={name: value})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"
    assert answer.json()["error"]["message"].startswith(f"{name} must be an integer")


@pytest.mark.parametrize("limit", [1, 100])
def test_takes_pages_at_the_bounds(api: httpx2.Client, limit: int) -> None:
    assert read(api, "/v1/orders", limit=limit)["meta"]["limit"] == limit


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/v1/products", "status", "gone"),
        ("/v1/products", "status", ""),
        ("/v1/inventory", "status", "fine"),
        ("/v1/orders", "status", "live"),
        ("/v1/orders", "from", "yesterday"),
        ("/v1/orders", "from", "2026-13-01"),
    ],
)
def test_refuses_words_that_no_filter_knows(
    api: httpx2.Client, path: str, name: str, value: str
) -> None:
    answer = api.get(path, params={name: value})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"{name} must be")
