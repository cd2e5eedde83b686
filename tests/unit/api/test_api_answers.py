"""What is made of the documented answers when something in them is missing, null or odd."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import orjson
import pytest
from pydantic import BaseModel

from core.api import EcomLinx, OpenGate, ProductDetail, UnexpectedResponse
from tests.integration.api import examples
from tests.integration.api.documented import CALLS, Documented

#: Where something stands in an answer, such as ``("data", 0, "price")``.
Place = tuple[str | int, ...]

each_call = pytest.mark.parametrize("call", CALLS, ids=str)

#: Without these, an answer would be of no use.
REQUIRED: Mapping[str, set[str]] = {
    "GET /v1/products": {
        *("data", "data.0.id", "data.0.sku", "data.0.name", "data.0.status", "data.0.price"),
        *("data.0.stock", "meta", "meta.total", "meta.page", "meta.limit"),
    },
    "GET /v1/products/{id}": {
        *("id", "sku", "name", "price", "stock", "channel_statuses.amazon_in.status"),
        *("channel_statuses.flipkart.status", "channel_statuses.meesho.status"),
    },
    "PATCH /v1/products/{id}": {"id", "name", "price", "stock"},
    "GET /v1/inventory": {
        *("data", "data.0.sku", "data.0.total_stock", "data.0.status", "summary"),
        *("summary.total_units", "summary.critical_skus", "summary.out_of_stock"),
    },
    "PATCH /v1/inventory/{sku}": {"sku", "total_stock"},
    "GET /v1/orders": {
        *("data", "data.0.id", "data.0.channel", "data.0.status", "data.0.total"),
        *("data.0.created_at", "data.0.items.0.sku", "data.0.items.0.qty"),
        *("data.0.items.0.price", "meta", "meta.total", "meta.page", "meta.limit"),
    },
    "PATCH /v1/orders/{id}": {"id", "status"},
    "GET /v1/channels": {"data", "data.0.id", "data.0.name", "data.0.status"},
    "POST /v1/channels/{id}/sync": {"sync_id", "channel", "status"},
    "GET /v1/webhooks": {
        *("data", "data.0.id", "data.0.url", "data.0.events", "data.0.status"),
    },
    "POST /v1/webhooks": {"id", "url", "events", "status"},
    "DELETE /v1/webhooks/{id}": {"id", "deleted"},
}

ODD = (
    *(b"null", b"true", b"0", b"-1", b"1.5", b"1e18", b"1e-999", b"1e999", b"-1e999999999"),
    *(b"123456789012345678901234567890", b'""', b'"x"', b'"2026-04-17"', b'"\\ud800"', b"[]"),
    *(b'"9999-12-31T23:59:59-23:59"', b'"0001-01-01T00:00:00+23:59"', b"[null]", b"[[[]]]"),
    *(b"{}", b'{"":null}', b'{"a":[1,{}]}'),
)


class Answering(httpx2.BaseTransport):
    """An EcomLinx that answers any call with the same body."""

    body = b""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        return httpx2.Response(200, content=self.body, request=request)


@pytest.fixture
def ecomlinx() -> Answering:
    """What the client talks to."""
    return Answering()


@pytest.fixture
def api(ecomlinx: Answering) -> Iterator[EcomLinx]:
    """A client of it."""
    with EcomLinx("test-key", transport=ecomlinx, gate=OpenGate()) as client:
        yield client


Answered = Callable[[Documented, bytes], object]


@pytest.fixture
def answered(ecomlinx: Answering, api: EcomLinx) -> Answered:
    """Tells what the client makes of an answer to a call."""

    def make(call: Documented, body: bytes) -> object:
        ecomlinx.body = body
        return call.alone(api)

    return make


def fault_of(answered: Answered, call: Documented, body: bytes) -> UnexpectedResponse | None:
    """What is wrong with an answer; None if it is taken."""
    try:
        repr(answered(call, body))
    except UnexpectedResponse as error:
        return error
    return None


def places_in(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from places_in(entry, (*place, name))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from places_in(entry, (*place, number))


def with_at(value: Any, place: Place, text: bytes | None) -> bytes:
    """The JSON of an answer with something else at a place, or with nothing there."""
    body = orjson.loads(orjson.dumps({"whole": value}))
    *path, last = ("whole", *place)
    around = body
    for name in path:
        around = around[name]
    if text is None:
        del around[last]
    else:
        around[last] = "@here@"
    return orjson.dumps(body["whole"]).replace(b'"@here@"', text or b"")


def fields_in(call: Documented) -> list[Place]:
    """The places of the fields that the documentation shows."""
    return [place for place in places_in(call.example) if place and isinstance(place[-1], str)]


def dotted(place: Place) -> str:
    return ".".join(map(str, place))


def at(record: object, place: Place) -> object:
    """What a record says at a place."""
    found: Any = record if isinstance(record, BaseModel) else {"data": record}
    for name in place:
        found = getattr(found, str(name)) if isinstance(found, BaseModel) else found[name]
    return found


@each_call
def test_nothing_that_ecomlinx_may_answer_is_an_error_of_another_kind(
    answered: Answered, call: Documented
) -> None:
    for place in places_in(call.example):
        for odd in ODD:
            fault = fault_of(answered, call, with_at(call.example, place, odd))
            if fault is not None:
                assert fault.request.startswith(f"{call.method} /v1/")
                assert is_near(fault.field or "", dotted(place))
                assert "Input should" not in fault.problem


def is_near(field: str, place: str) -> bool:
    return field.startswith(place) or place.startswith(field)


@each_call
def test_only_what_is_needed_must_be_there(answered: Answered, call: Documented) -> None:
    needed = set()
    for place in fields_in(call):
        fault = fault_of(answered, call, with_at(call.example, place, None))
        if fault is not None:
            assert (fault.field, fault.problem) == (dotted(place), "is missing")
            needed.add(dotted(place))

    assert needed == REQUIRED[str(call)]


@each_call
def test_what_may_be_missing_is_none_or_empty_and_may_be_null(
    answered: Answered, call: Documented
) -> None:
    for place in fields_in(call):
        if dotted(place) in REQUIRED[str(call)] or is_by_channel(place):
            continue
        for text in (None, b"null"):
            record = answered(call, with_at(call.example, place, text))
            assert not at(record, place)
            assert at(record, place) in (None, (), {})


def is_by_channel(place: Place) -> bool:
    """Whether the last name is a channel's, not a field's."""
    return len(place) > 1 and place[-2] in {"allocations", "channel_statuses"}


PRODUCT = next(call for call in CALLS if str(call) == "GET /v1/products/{id}")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-04-17T08:22:11Z", datetime(2026, 4, 17, 8, 22, 11, tzinfo=UTC)),
        ("2026-04-17T08:22:11.5Z", datetime(2026, 4, 17, 8, 22, 11, 500_000, tzinfo=UTC)),
        ("2026-04-17T13:52:11+05:30", datetime(2026, 4, 17, 8, 22, 11, tzinfo=UTC)),
        ("2026-04-17T08:22:11", datetime(2026, 4, 17, 8, 22, 11, tzinfo=UTC)),
        ("2026-04-17", datetime(2026, 4, 17, tzinfo=UTC)),
    ],
)
def test_a_time_is_aware_and_in_utc_however_it_is_written(
    answered: Answered, written: str, moment: datetime
) -> None:
    product = answered(PRODUCT, orjson.dumps({**PRODUCT.example, "updated_at": written}))

    assert isinstance(product, ProductDetail)
    assert product.updated_at == moment
    assert product.updated_at.tzinfo is UTC


@pytest.mark.parametrize("amount", [b"899", b"949.10", b"0.1", b"12345678901234567890.01", b"1e2"])
def test_money_keeps_its_digits_wherever_it_stands(
    ecomlinx: Answering, api: EcomLinx, amount: bytes
) -> None:
    line = {"sku": "TEE", "qty": 1, "price": "@", "discount": "@"}
    order = {**examples.ORDER, "total": "@", "items": [line], "shipping": {"fee": "@"}}
    page = orjson.dumps({**examples.ORDERS, "data": [order]})
    ecomlinx.body = page.replace(b'"@"', amount)

    found = api.orders.get("ord_8FZ2K")

    (item,) = found.items
    extra = (found.model_extra or {})["shipping"]["fee"]
    amounts = [found.total, item.price, (item.model_extra or {})["discount"], extra]
    assert [Decimal(value) for value in amounts] == [Decimal(amount.decode())] * 4
    assert not any(isinstance(value, float) for value in amounts)


def test_a_number_that_is_none_is_not_taken_for_one(ecomlinx: Answering, api: EcomLinx) -> None:
    item = {**examples.INVENTORY["data"][0], "velocity": "@"}
    body = orjson.dumps({**examples.INVENTORY, "data": [item]})
    ecomlinx.body = body.replace(b'"@"', b"1e999")

    with pytest.raises(UnexpectedResponse, match=r"field data\.0\.velocity: must be a number"):
        api.inventory.list()
