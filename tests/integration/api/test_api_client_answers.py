"""What is made of answers that are not as documented."""

from decimal import Decimal
from typing import Any

import pytest

from core.api import EcomLinx, UnexpectedResponse
from tests.integration.api import examples
from tests.support.scripted_api import ScriptedApi, json_reply, reply


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": "899"}, "price"),
        ({"price": True}, "price"),
        ({"price": None}, "price"),
        ({"stock": 1.5}, "stock"),
        ({"stock": "143"}, "stock"),
        ({"id": 7}, "id"),
        ({"name": None}, "name"),
        ({"images": "one"}, "images"),
        ({"updated_at": "yesterday"}, "updated_at"),
        ({"updated_at": 1776413000}, "updated_at"),
        ({"channel_statuses": []}, "channel_statuses"),
        ({"channel_statuses": {"meesho": {}}}, "channel_statuses.meesho.status"),
    ],
)
def test_a_wrong_type_is_named_by_call_and_field(
    api: EcomLinx, server: ScriptedApi, change: dict[str, Any], field: str
) -> None:
    server.answers(json_reply({**examples.PRODUCT_DETAIL, **change}))

    with pytest.raises(UnexpectedResponse) as caught:
        api.products.get("prod_01HX4")

    assert caught.value.request == "GET /v1/products/prod_01HX4"
    assert caught.value.field == field
    assert f"field {field}: " in str(caught.value)


@pytest.mark.parametrize("field", ["id", "sku", "name", "price", "stock"])
def test_a_missing_field_is_named(api: EcomLinx, server: ScriptedApi, field: str) -> None:
    product = {name: value for name, value in examples.PRODUCT.items() if name != field}
    server.answers(json_reply({**examples.PRODUCTS, "data": [examples.PRODUCT, product]}))

    with pytest.raises(UnexpectedResponse, match="is missing") as caught:
        api.products.list()

    assert caught.value.field == f"data.1.{field}"


def test_what_a_customer_told_is_not_in_the_error(api: EcomLinx, server: ScriptedApi) -> None:
    order = {**examples.ORDER, "customer": ["Priya Sharma"]}
    server.answers(json_reply({**examples.ORDERS, "data": [order]}))

    with pytest.raises(UnexpectedResponse) as caught:
        api.orders.list()

    assert caught.value.field == "data.0.customer"
    assert "Priya" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b'{"data": NaN}', b"\xff\xfe", b"[" * 100_000, b"9" * 10_000],
    ids=["empty", "HTML", "cut off", "NaN", "not UTF-8", "deep", "endless number"],
)
def test_what_is_not_json_is_told_by_its_type_and_size(
    api: EcomLinx, server: ScriptedApi, body: bytes
) -> None:
    server.answers(reply(200, body, {"Content-Type": "text/html"}))

    with pytest.raises(UnexpectedResponse, match=f"not JSON, but text/html of {len(body)} bytes"):
        api.channels.list()


def test_a_compression_that_cannot_be_read_is_unexpected(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(reply(200, b"not gzip", {"Content-Encoding": "gzip"}))

    with pytest.raises(UnexpectedResponse, match="compression"):
        api.channels.list()


@pytest.mark.parametrize("body", [[], None, "text", 7, {"data": None}, {"data": [None]}])
def test_json_of_another_shape_is_unexpected(api: EcomLinx, server: ScriptedApi, body: Any) -> None:
    server.answers(json_reply(body))

    with pytest.raises(UnexpectedResponse):
        api.channels.list()


@pytest.mark.parametrize("amount", ["899", "0.1", "1234567890123456.78", "19.90", "1e2"])
def test_money_is_read_digit_by_digit(api: EcomLinx, server: ScriptedApi, amount: str) -> None:
    server.answers(
        json_reply(b'{"id":"p","sku":"s","name":"n","stock":1,"price":%b}' % amount.encode())
    )

    price = api.products.get("p").price

    assert isinstance(price, Decimal)
    assert str(price) == str(Decimal(amount))


def test_a_count_may_be_written_with_a_point_and_must_be_whole(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(json_reply(b'{"sku":"s","total_stock":160.0,"allocations":{"a":6e1}}'))

    updated = api.inventory.set("s", 160)

    assert (updated.total_stock, updated.allocations) == (160, {"a": 60})


def test_a_count_of_a_billion_digits_is_refused(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(b'{"sku":"s","total_stock":1e999999999}'))

    with pytest.raises(UnexpectedResponse, match="total_stock: must be a whole number"):
        api.inventory.set("s", 160)


def test_fields_that_nobody_documented_are_kept(api: EcomLinx, server: ScriptedApi) -> None:
    item = {**examples.INVENTORY["data"][0], "reorder_quantity": 40}
    server.answers(json_reply({**examples.INVENTORY, "data": [item]}))

    kept = api.inventory.get("BLUE-TEE-M").model_extra

    assert kept == {"reorder_quantity": 40}


def test_what_may_be_missing_is_none_or_empty(api: EcomLinx, server: ScriptedApi) -> None:
    order = {"id": "o", "channel": "c", "status": "s", "total": 1, "created_at": "2026-04-17"}
    server.answers(json_reply({**examples.ORDERS, "data": [order]}))

    read = api.orders.list().data[0]

    assert (read.customer, read.awb, read.sla_deadline, read.channel_order_id) == (None,) * 4
    assert read.items == ()


def test_a_record_does_not_change(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(json_reply(examples.CHANNELS))

    with pytest.raises(ValueError, match="frozen"):
        api.channels.list()[0].name = "Other"  # type: ignore[misc]
