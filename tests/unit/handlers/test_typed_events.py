"""Events as handlers see them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from core.events import EVENT_TYPES, Arrival, Envelope, Source, event_id, parse
from handlers import (
    ChannelEvent,
    Event,
    Fail,
    InventoryEvent,
    ListingEvent,
    OrderEvent,
    ReturnEvent,
    SyncEvent,
)
from handlers.errors import UnexpectedPayloadError
from handlers.events import EventData, typed

RECEIVED_AT = datetime(2026, 3, 1, 9, 30, 2, tzinfo=UTC)


def _typed(raw: bytes) -> Event:
    parsed = parse(raw)
    assert isinstance(parsed, Envelope)
    return typed(Arrival(event_id(raw), raw, RECEIVED_AT, Source.WEBHOOK), parsed)


def _event(name: str, data: dict[str, Any], created_at: str | None = "2026-03-01T09:30:00Z") -> Any:
    return _typed(orjson.dumps({"event": name, "created_at": created_at, "data": data}))


def _with_data(name: str, data: str) -> Any:
    """An event whose data is written as it stands."""
    return _typed(f'{{"event":"{name}","data":{data}}}'.encode())


def test_an_event_says_what_it_is_and_how_it_came() -> None:
    event = _event("order.new", {"id": "ord_8FZ2K"})

    assert event.id == event_id(event.raw)
    assert event.type == "order.new"
    assert event.entity == "order:ord_8FZ2K"
    assert event.created_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert event.received_at == RECEIVED_AT
    assert event.source is Source.WEBHOOK
    assert orjson.loads(event.raw)["data"] == {"id": "ord_8FZ2K"}


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("order.new", OrderEvent),
        ("order.shipped", OrderEvent),
        ("order.cancelled", OrderEvent),
        ("order.teleported", OrderEvent),
        ("inventory.low", InventoryEvent),
        ("inventory.out", InventoryEvent),
        ("return.received", ReturnEvent),
        ("listing.suppressed", ListingEvent),
        ("channel.error", ChannelEvent),
        ("sync.completed", SyncEvent),
        ("invoice.paid", Event),
        ("orders", Event),
    ],
)
def test_a_family_of_events_has_a_class(event_type: str, kind: type[Event]) -> None:
    assert type(_event(event_type, {})) is kind


def test_every_documented_event_has_a_class_of_its_own() -> None:
    assert all(type(_event(name, {})) is not Event for name in EVENT_TYPES)


def test_an_order_as_it_is_documented() -> None:
    order = _with_data(
        "order.new",
        '{"id":"ord_8FZ2K","channel":"amazon_in","total":1499.00,"status":"pending",'
        '"items":[{"sku":"BLUE-TEE-M","qty":2,"price":749.50}]}',
    ).data

    assert (order.id, order.channel, order.status) == ("ord_8FZ2K", "amazon_in", "pending")
    assert order.total == Decimal("1499.00")
    (item,) = order.items
    assert (item.sku, item.qty, item.price) == ("BLUE-TEE-M", 2, Decimal("749.50"))


def test_what_may_be_missing_is_none() -> None:
    order = _event("order.shipped", {"id": "ord_1"}).data

    assert (order.channel, order.status, order.total, order.awb) == (None, None, None, None)
    assert order.items == ()


@pytest.mark.parametrize(
    ("name", "data", "field", "value"),
    [
        ("inventory.low", {"sku": "BLUE-TEE-M", "total_stock": 3}, "total_stock", 3),
        ("inventory.out", {"sku": "BLUE-TEE-M", "channel": "flipkart"}, "channel", "flipkart"),
        ("return.received", {"sku": "BLUE-TEE-M", "grade": "resellable"}, "grade", "resellable"),
        ("return.received", {"sku": "BLUE-TEE-M"}, "qty", 1),
        ("listing.suppressed", {"product_id": "prd_1", "reason": "image"}, "reason", "image"),
        ("channel.error", {"channel": "amazon_in", "code": "auth"}, "code", "auth"),
        ("channel.error", {"channel_id": "amazon_in"}, "channel", "amazon_in"),
        ("channel.error", {"id": "amazon_in"}, "channel", "amazon_in"),
        ("sync.completed", {"sync_id": "syn_1", "channel": "amazon_in"}, "sync_id", "syn_1"),
    ],
)
def test_data_is_typed_by_family(name: str, data: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(_event(name, data).data, field) == value


def test_unknown_fields_are_kept() -> None:
    data = _event("order.new", {"id": "ord_1", "gift": {"wrap": True}}).data

    assert data.get("gift") == {"wrap": True}
    assert data.get("id") == "ord_1"
    assert data.get("absent") is None
    assert data.get("absent", 7) == 7


def test_an_event_of_an_unknown_family_has_whatever_was_sent() -> None:
    data = _event("invoice.paid", {"number": 17}).data

    assert type(data) is EventData
    assert data.get("number") == 17


@pytest.mark.parametrize("written", ["0.1", "1499.00", "19.99", "1e2", "123456789012345678.90"])
def test_money_is_exact(written: str) -> None:
    order = _with_data("order.new", f'{{"id":"ord_1","total":{written},"tax":{written}}}').data

    assert order.total == Decimal(written)
    assert order.get("tax") == Decimal(written)
    assert str(order.total) == str(Decimal(written))


def test_ids_that_are_numbers_become_text() -> None:
    assert _event("order.new", {"id": 1001}).data.id == "1001"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("order.new", "{}", "order.new: data.id: Field required"),
        ("order.new", '{"id":null}', "order.new: data.id: Input should be a valid string"),
        ("order.new", '{"id":"o","total":"free"}', "order.new: data.total: Input should be a"),
        ("order.new", '{"id":"o","items":[{"qty":1}]}', "data.items.0.sku: Field required"),
        ("inventory.low", "{}", "inventory.low: data.sku: Field required"),
        ("inventory.low", '{"sku":"s","total_stock":1.5}', "data.total_stock: Input should be"),
        ("return.received", "{}", "return.received: data.sku: Field required"),
        ("channel.error", "{}", "channel.error: data.channel: Field required"),
    ],
)
def test_a_payload_that_lacks_what_it_must_have_fails_for_good(
    name: str, data: str, message: str
) -> None:
    event = _with_data(name, data)

    with pytest.raises(UnexpectedPayloadError) as failed:
        _ = event.data

    assert message in str(failed.value)
    assert isinstance(failed.value, Fail)


def test_a_message_about_a_payload_does_not_repeat_it() -> None:
    event = _with_data("order.new", '{"id":"o","total":"Private Person"}')

    with pytest.raises(UnexpectedPayloadError) as failed:
        _ = event.data

    assert "Private" not in str(failed.value)


def test_huge_numbers_are_kept_to_the_digit() -> None:
    event = _with_data("order.new", f'{{"id":"ord_1","count":{"9" * 30}}}')

    assert event.data.get("count") == 10**30 - 1


def test_numbers_longer_than_python_reads_fail_for_good() -> None:
    raw = f'{{"event":"order.new","data":{{"id":"ord_1","count":{"9" * 5000}}}}}'.encode()
    arrival = Arrival(event_id(raw), raw, RECEIVED_AT, Source.WEBHOOK)
    event = typed(arrival, Envelope("order.new", None, {}))

    with pytest.raises(UnexpectedPayloadError, match=r"^order\.new: "):
        _ = event.data


@pytest.mark.parametrize("total", ["1e400", "1e-400", "NaN", "Infinity", "-Infinity"])
def test_numbers_beyond_any_price_crash_nothing(total: str) -> None:
    raw = f'{{"event":"order.new","data":{{"id":"ord_1","total":{total}}}}}'.encode()

    if isinstance(parse(raw), Envelope):
        assert _typed(raw).data.get("total") == Decimal(total)


def test_data_is_read_once_and_cannot_be_changed() -> None:
    event = _event("order.new", {"id": "ord_1"})

    assert event.data is event.data
    with pytest.raises(ValueError, match="frozen"):
        event.data.id = "ord_2"


@pytest.mark.parametrize(
    ("created_at", "happened_at"),
    [
        ("2026-03-01T15:00:00+05:30", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("yesterday", RECEIVED_AT),
        (None, RECEIVED_AT),
    ],
)
def test_an_event_without_a_time_happened_when_it_came(
    created_at: str | None, happened_at: datetime
) -> None:
    assert _event("order.new", {"id": "ord_1"}, created_at).happened_at == happened_at
