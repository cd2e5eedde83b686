"""Failures that tests ask the local EcomLinx for."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from handlers.testing import ApiRequest, LocalEcomLinx

STOCK = "/v1/inventory/BLUE-TEE-M"


@pytest.fixture
def ecomlinx() -> Iterator[LocalEcomLinx]:
    with LocalEcomLinx() as local:
        yield local


@pytest.fixture
def api(ecomlinx: LocalEcomLinx) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {ecomlinx.api_key}"}
    with httpx2.Client(base_url=ecomlinx.url, headers=headers, trust_env=False) as client:
        yield client


def stock_of(ecomlinx: LocalEcomLinx) -> int:
    return ecomlinx.shop.products.by_sku("BLUE-TEE-M").stock


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "internal_error"), (503, "internal_error"), (409, "conflict"), (401, "unauthorized")],
)
def test_fails_as_often_as_asked(
    ecomlinx: LocalEcomLinx, api: httpx2.Client, status: int, code: str
) -> None:
    ecomlinx.fail_next(2, status=status)

    answers = [api.patch(STOCK, json={"adjust": 1}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].json()["error"]["code"] == code
    assert stock_of(ecomlinx) == 144


def test_asks_to_come_back_later(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    ecomlinx.fail_next(1, status=429, retry_after=7)

    answer = api.get("/v1/channels")

    assert answer.json()["error"]["code"] == "rate_limited"
    assert answer.headers["retry-after"] == "7"


def test_fails_only_the_calls_that_are_meant(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    ecomlinx.fail_next(1, status=500, path_prefix="/v1/inventory", method="PATCH")

    statuses = [
        api.get("/v1/inventory").status_code,
        api.get("/v1/channels").status_code,
        api.patch(STOCK, json={"adjust": 1}).status_code,
        api.patch(STOCK, json={"adjust": 1}).status_code,
    ]

    assert statuses == [200, 200, 500, 200]


def test_fails_in_the_order_in_which_it_was_asked(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    ecomlinx.fail_next(1, status=500)
    ecomlinx.fail_next(1, status=429)

    assert [api.get("/v1/channels").status_code for _ in range(3)] == [500, 429, 200]


def test_fails_one_call_in_so_many(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    ecomlinx.fail_next(2, status=500, every=3)

    statuses = [api.get("/v1/channels").status_code for _ in range(9)]

    assert statuses == [200, 200, 500, 200, 200, 500, 200, 200, 200]
    assert ecomlinx.faults.happened == {500: 2}


def test_a_failure_whose_turn_another_takes_comes_next(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    ecomlinx.fail_next(1, status=500, every=2)
    ecomlinx.fail_next(1, status=429, every=2)

    assert [api.get("/v1/channels").status_code for _ in range(4)] == [200, 500, 429, 200]


def test_closes_the_connection_before_anything_is_done(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    ecomlinx.fail_next(1)

    with pytest.raises(httpx2.TransportError):
        api.patch(STOCK, json={"adjust": 1})

    assert stock_of(ecomlinx) == 143
    assert api.get("/v1/channels").status_code == 200


def test_loses_the_answer_after_the_change_is_made(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    ecomlinx.fail_next(1, after_effect=True)

    with pytest.raises(httpx2.TransportError):
        api.patch(STOCK, json={"adjust": 1})

    assert stock_of(ecomlinx) == 144
    assert ecomlinx.requests == (ApiRequest("PATCH", STOCK, None),)


def test_answers_an_error_after_the_change_is_made(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    ecomlinx.fail_next(1, status=502, after_effect=True)

    assert api.patch(STOCK, json={"adjust": 1}).status_code == 502
    assert stock_of(ecomlinx) == 144


@pytest.mark.parametrize(("after_effect", "stock"), [(False, 143), (True, 144)])
def test_lets_a_client_give_up_before_or_after_the_change(
    ecomlinx: LocalEcomLinx, api: httpx2.Client, after_effect: bool, stock: int
) -> None:
    ecomlinx.fail_next(1, delay_seconds=0.6, after_effect=after_effect)

    with pytest.raises(httpx2.ReadTimeout):
        api.patch(STOCK, json={"adjust": 1}, timeout=0.2)

    assert stock_of(ecomlinx) == stock


@pytest.mark.parametrize("after_effect", [False, True])
def test_answers_right_but_late(
    ecomlinx: LocalEcomLinx, api: httpx2.Client, after_effect: bool
) -> None:
    ecomlinx.fail_next(1, delay_seconds=0.15, after_effect=after_effect)
    began = time.perf_counter()

    answer = api.patch(STOCK, json={"adjust": 1})

    assert time.perf_counter() - began >= 0.15
    assert (answer.status_code, answer.json()["total_stock"]) == (200, 144)


def test_forgets_failures_that_did_not_happen(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    ecomlinx.fail_next(5, status=500)
    ecomlinx.faults.clear()

    assert api.get("/v1/channels").status_code == 200


def test_fails_with_errors_only(ecomlinx: LocalEcomLinx) -> None:
    with pytest.raises(ValueError, match="200 is no error"):
        ecomlinx.fail_next(1, status=200)


def test_fails_at_least_one_call_in_so_many(ecomlinx: LocalEcomLinx) -> None:
    with pytest.raises(ValueError, match="0 is below 1"):
        ecomlinx.fail_next(1, status=500, every=0)


def test_records_when_a_call_arrived_not_when_it_was_answered(
    ecomlinx: LocalEcomLinx, api: httpx2.Client
) -> None:
    ecomlinx.fail_next(1, delay_seconds=0.2)
    before = datetime.now(UTC)

    api.get("/v1/channels")

    (request,) = ecomlinx.requests
    assert timedelta() <= request.received_at - before < timedelta(seconds=0.2)


def test_records_every_call_with_its_answer(ecomlinx: LocalEcomLinx, api: httpx2.Client) -> None:
    api.get("/v1/products", params={"q": "blue tee"})
    api.patch("/v1/inventory/A%2FB", json={"adjust": 1})
    api.get("/v1/channels", headers={"Authorization": "Bearer wrong-key"})

    assert ecomlinx.requests == (
        ApiRequest("GET", "/v1/products", 200, "q=blue+tee"),
        ApiRequest("PATCH", "/v1/inventory/A%2FB", 404),
        ApiRequest("GET", "/v1/channels", 401),
    )
