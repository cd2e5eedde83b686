"""What the local EcomLinx refuses: keys, plans, limits, paths, bodies."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from handlers.testing import LocalEcomLinx, ManualClock, Shop, Window

TEE = "/v1/products/prod_01HX4"
STOCK = "/v1/inventory/BLUE-TEE-M"
ORDER = "/v1/orders/ord_8FZ2K"
HOOKS = "/v1/webhooks"

CALLS = [
    ("GET", "/v1/products", None),
    ("GET", TEE, None),
    ("PATCH", TEE, {"price": 950}),
    ("GET", "/v1/inventory", None),
    ("PATCH", STOCK, {"adjust": 1}),
    ("GET", "/v1/orders", None),
    ("PATCH", ORDER, {"status": "ready"}),
    ("GET", "/v1/channels", None),
    ("POST", "/v1/channels/amazon_in/sync", None),
    ("GET", HOOKS, None),
    ("POST", HOOKS, {"url": "https://yourapp.com/hooks", "events": ["order.new"]}),
    ("DELETE", f"{HOOKS}/wh_7KL3M", None),
]


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEcomLinx]:
    """For calls that change nothing."""
    with LocalEcomLinx(limits=()) as local:
        yield local


@pytest.fixture(scope="module")
def api(shared: LocalEcomLinx) -> Iterator[httpx2.Client]:
    with client_of(shared) as client:
        yield client


@pytest.fixture(scope="module")
def nobody(shared: LocalEcomLinx) -> Iterator[httpx2.Client]:
    """A client without a key."""
    with httpx2.Client(base_url=shared.url, trust_env=False) as client:
        yield client


def client_of(ecomlinx: LocalEcomLinx) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {ecomlinx.api_key}"}
    return httpx2.Client(base_url=ecomlinx.url, headers=headers, trust_env=False)


def assert_refused(answer: httpx2.Response, status: int, code: str) -> str:
    """The answer is an error in the documented shape; return its message."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert answer.json() == {"error": error}
    assert error == {"code": code, "message": error["message"], "status": status}
    message: str = error["message"]
    assert message
    return message


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong-key", "Bearer", "test-key", "Basic test-key", "Bearer é"]
)
def test_refuses_every_call_without_the_key(
    nobody: httpx2.Client, method: str, path: str, body: Any, authorization: str | None
) -> None:
    headers = httpx2.Headers(encoding="latin-1")
    if authorization is not None:
        headers["Authorization"] = authorization

    answer = nobody.request(method, path, json=body, headers=headers)

    assert_refused(answer, 401, "unauthorized")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_lets_the_pro_plan_only_read(method: str, path: str, body: Any) -> None:
    with LocalEcomLinx(plan="pro") as ecomlinx, client_of(ecomlinx) as client:
        answer = client.request(method, path, json=body)

    if method == "GET":
        assert answer.status_code == 200
    else:
        assert_refused(answer, 403, "forbidden")


@pytest.mark.parametrize(("plan", "a_second", "a_minute"), [("scale", 100, 1000), ("pro", 20, 200)])
def test_limits_calls_as_the_plan_says(plan: str, a_second: int, a_minute: int) -> None:
    clock = ManualClock()
    with LocalEcomLinx(plan=plan, shop=Shop(now=clock)) as ecomlinx, client_of(ecomlinx) as client:
        for _ in range(a_minute // a_second):
            allowed = {client.get("/v1/webhooks").status_code for _ in range(a_second)}
            assert allowed == {200}
            in_a_second = client.get("/v1/webhooks")
            clock.advance(1)
        in_a_minute = client.get("/v1/webhooks")

    assert_refused(in_a_second, 429, "rate_limited")
    assert_refused(in_a_minute, 429, "rate_limited")
    assert in_a_minute.headers["retry-after"] == "50"


def test_says_when_to_come_back_and_keeps_its_word() -> None:
    clock = ManualClock()
    shop = Shop(now=clock)
    limits = [Window(1, 2.5)]
    with LocalEcomLinx(shop=shop, limits=limits) as ecomlinx, client_of(ecomlinx) as client:
        client.get("/v1/channels")
        refused = client.get("/v1/channels")
        clock.advance(int(refused.headers["retry-after"]))
        allowed = client.get("/v1/channels")

    assert refused.headers["retry-after"] == "3"
    assert allowed.status_code == 200


def test_does_not_count_calls_without_the_key() -> None:
    with LocalEcomLinx(limits=[Window(1, 60)]) as ecomlinx, client_of(ecomlinx) as client:
        for _ in range(3):
            client.get("/v1/channels", headers={"Authorization": "Bearer wrong-key"})

        assert client.get("/v1/channels").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "missing"),
    [
        ("GET", "/v1/products/prod_NONE", None, "Product prod_NONE"),
        ("PATCH", "/v1/products/prod_NONE", {"price": 1}, "Product prod_NONE"),
        ("PATCH", "/v1/inventory/NO-SUCH-SKU", {"adjust": 1}, "SKU NO-SUCH-SKU"),
        ("PATCH", "/v1/orders/ord_NONE", {"status": "ready"}, "Order ord_NONE"),
        ("POST", "/v1/channels/myntra/sync", None, "Channel myntra"),
        ("DELETE", "/v1/webhooks/wh_NONE", None, "Webhook wh_NONE"),
    ],
)
def test_does_not_know_what_does_not_exist(
    api: httpx2.Client, method: str, path: str, body: Any, missing: str
) -> None:
    answer = api.request(method, path, json=body)

    assert assert_refused(answer, 404, "not_found") == f"{missing} does not exist."


def test_words_a_404_as_documented(api: httpx2.Client) -> None:
    assert api.get("/v1/products/prod_0XXXX").json() == {
        "error": {
            "code": "not_found",
            "message": "Product prod_0XXXX does not exist.",
            "status": 404,
        }
    }


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/returns", "/v1/products/", "/v1/orders/ord_1/x"])
def test_does_not_know_other_paths(api: httpx2.Client, path: str) -> None:
    assert_refused(api.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/products", {"GET", "HEAD"}),
        ("DELETE", TEE, {"GET", "HEAD", "PATCH"}),
        ("GET", ORDER, {"PATCH"}),
        ("GET", STOCK, {"PATCH"}),
        ("GET", "/v1/channels/amazon_in/sync", {"POST"}),
        ("PUT", HOOKS, {"GET", "HEAD", "POST"}),
        ("GET", f"{HOOKS}/wh_7KL3M", {"DELETE"}),
    ],
)
def test_does_not_take_other_methods(
    api: httpx2.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.request(method, path)

    assert_refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", [TEE, STOCK, ORDER])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"x"', b"null", b"{'a': 1}", b'{"price": NaN}', b"\xff{}"]
)
def test_refuses_a_body_that_is_no_json_object(
    api: httpx2.Client, path: str, content: bytes
) -> None:
    message = assert_refused(api.patch(path, content=content), 400, "bad_request")

    assert message.startswith("The body")


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        (TEE, {}, "Nothing to change"),
        (TEE, {"colour": "red"}, "Nothing to change"),
        (TEE, {"price": "950"}, "price"),
        (TEE, {"price": -1}, "price"),
        (TEE, {"price": True}, "price"),
        (TEE, {"price": None}, "price"),
        (TEE, {"stock": 1.5}, "stock"),
        (TEE, {"stock": -1}, "stock"),
        (TEE, {"stock": True}, "stock"),
        (TEE, {"name": ""}, "name"),
        (TEE, {"name": 7}, "name"),
        (TEE, {"status": "suppressed"}, "status"),
        (STOCK, {}, "Nothing to change"),
        (STOCK, {"allocations": {}}, "Nothing to change"),
        (STOCK, {"quantity": 5, "adjust": 1}, "not both"),
        (STOCK, {"quantity": -1}, "quantity"),
        (STOCK, {"quantity": True}, "quantity"),
        (STOCK, {"quantity": "5"}, "quantity"),
        (STOCK, {"quantity": None}, "quantity"),
        (STOCK, {"adjust": 1.0}, "adjust"),
        (STOCK, {"adjust": False}, "adjust"),
        (STOCK, {"allocations": [60]}, "allocations"),
        (STOCK, {"allocations": {"amazon_in": -1}}, "allocations.amazon_in"),
        (STOCK, {"allocations": {"amazon_in": True}}, "allocations.amazon_in"),
        (STOCK, {"allocations": {"myntra": 1}}, "allocations: myntra"),
        (ORDER, {}, "status"),
        (ORDER, {"awb": "1"}, "status"),
        (ORDER, {"status": "new"}, "status"),
        (ORDER, {"status": "return"}, "status"),
        (ORDER, {"status": "shipped", "awb": 161234567890}, "awb"),
        (ORDER, {"status": "shipped", "courier": None}, "courier"),
    ],
)
def test_refuses_a_change_that_is_wrong_and_names_it(
    shared: LocalEcomLinx, api: httpx2.Client, path: str, body: Any, wrong: str
) -> None:
    message = assert_refused(api.patch(path, json=body), 400, "bad_request")

    assert wrong in message
    assert shared.shop.products.by_sku("BLUE-TEE-M").stock == 143
    assert shared.shop.orders.get("ord_8FZ2K").status == "processing"


URL = "https://yourapp.com/hooks"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "url"),
        ({"events": ["order.new"]}, "url"),
        ({"url": URL}, "events"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": "order.new"}, "events"),
        ({"url": URL, "events": ["order.new", 7]}, "events"),
        ({"url": URL, "events": ["order.gone"]}, "events: 'order.gone'"),
        ({"url": URL, "events": ["order.*"]}, "events: 'order.*'"),
        ({"url": URL, "events": ["order.new"], "secret": ""}, "secret"),
        ({"url": URL, "events": ["order.new"], "secret": 7}, "secret"),
        ({"url": "http://yourapp.com/hooks", "events": ["order.new"]}, "url must be an HTTPS"),
        ({"url": "http://127.0.0.1:8000/", "events": ["order.new"]}, "url must be an HTTPS"),
        ({"url": "https://", "events": ["order.new"]}, "url must be an HTTPS"),
        ({"url": "https://yourapp.com:x/", "events": ["order.new"]}, "url is not"),
        ({"url": "https://[::1", "events": ["order.new"]}, "url is not"),
        ({"url": "yourapp.com/hooks", "events": ["order.new"]}, "url must be an HTTPS"),
    ],
)
def test_refuses_a_webhook_that_is_wrong_and_names_it(
    shared: LocalEcomLinx, api: httpx2.Client, body: Any, wrong: str
) -> None:
    message = assert_refused(api.post(HOOKS, json=body), 400, "bad_request")

    assert wrong in message
    assert shared.shop.webhooks.all() == []


def test_answers_what_it_did_not_expect_with_an_internal_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LocalEcomLinx() as ecomlinx, client_of(ecomlinx) as client:
        monkeypatch.setattr(ecomlinx.shop.channels, "all", lambda: 1 / 0)

        assert_refused(client.get("/v1/channels"), 500, "internal_error")
        assert client.get("/v1/webhooks").status_code == 200
