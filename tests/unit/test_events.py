"""What a raw body says."""

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import (
    EVENT_TYPES,
    NAME_MAX_CHARS,
    Envelope,
    Malformed,
    entity_of,
    event_id,
    parse,
    parse_time,
)


def test_an_id_is_made_of_the_body_and_nothing_else() -> None:
    assert event_id(b"{}") == "evt_44136fa355b3678a1146ad16f7e8649e"


@given(st.binary())
def test_every_body_has_an_id_of_one_length(raw: bytes) -> None:
    assert len(event_id(raw)) == 36


@pytest.mark.parametrize("name", [*EVENT_TYPES, "order.teleported", "commande.créée", "*", "x"])
def test_reads_an_event_of_any_name(name: str) -> None:
    raw = orjson.dumps(
        {"event": name, "created_at": "2026-03-01T09:30:00Z", "data": {"id": "ord_1"}}
    )

    assert parse(raw) == Envelope(name, datetime(2026, 3, 1, 9, 30, tzinfo=UTC), {"id": "ord_1"})


def test_reads_an_event_that_says_nothing_of_its_time() -> None:
    assert parse(b'{"event":"order.new","data":{}}') == Envelope("order.new", None, {})


def test_of_duplicate_keys_the_last_counts() -> None:
    raw = b'{"event":"a","event":"b","data":{},"data":{"id":"c"}}'

    assert parse(raw) == Envelope("b", None, {"id": "c"})


LONGEST = "n" * NAME_MAX_CHARS


def test_reads_the_longest_name() -> None:
    assert isinstance(parse(orjson.dumps({"event": LONGEST, "data": {}})), Envelope)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"event":"order.new","data":{"total":NaN}}', "not JSON"),
        (b'{"event":"order.new","data":{"name":"\\ud800"}}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"event"', "not a JSON object"),
        (b"{}", "no event name"),
        (b'{"event":null,"data":{}}', "no event name"),
        (b'{"event":["order.new"],"data":{}}', "no event name"),
        (b'{"event":"","data":{}}', "no event name"),
        (b'{"event":"a\\nb","data":{}}', "no event name"),
        (b'{"event":"a\\u0000b","data":{}}', "no event name"),
        (orjson.dumps({"event": LONGEST + "n", "data": {}}), "no event name"),
        (b'{"event":"order.new"}', "no data"),
        (b'{"event":"order.new","data":null}', "no data"),
        (b'{"event":"order.new","data":"{}"}', "no data"),
    ],
)
def test_says_why_a_body_is_no_event(raw: bytes, reason: str) -> None:
    answer = parse(raw)

    assert isinstance(answer, Malformed)
    assert answer.reason.startswith(reason)


@given(st.binary())
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    assert isinstance(parse(raw), Envelope | Malformed)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "event": st.sampled_from(EVENT_TYPES) | JSON,
            "created_at": st.datetimes().map(str) | JSON,
            "data": st.dictionaries(
                st.sampled_from(["id", "sku", "channel", "product_id"]) | st.text(), JSON
            )
            | JSON,
        },
    )
)
def test_no_json_makes_it_raise(body: dict[str, object]) -> None:
    answer = parse(orjson.dumps(body))

    if isinstance(answer, Envelope):
        assert answer.entity is None or answer.entity.isprintable()
        assert answer.created_at is None or answer.created_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("event", "data", "entity"),
    [
        ("order.new", {"id": "ord_1"}, "order:ord_1"),
        ("order.shipped", {"order_id": "ord_1", "awb": "X1"}, "order:ord_1"),
        ("order.cancelled", {"id": "ord_1", "order_id": "ord_2"}, "order:ord_1"),
        ("inventory.low", {"sku": "TSHIRT-M"}, "sku:TSHIRT-M"),
        ("inventory.out", {"sku": "TSHIRT-M", "channel": "amazon"}, "sku:TSHIRT-M"),
        ("return.received", {"id": "ret_1", "order_id": "ord_1"}, "return:ret_1"),
        ("return.received", {"return_id": "ret_1"}, "return:ret_1"),
        ("listing.suppressed", {"product_id": "prd_1", "sku": "A"}, "product:prd_1"),
        ("listing.suppressed", {"sku": "A"}, "sku:A"),
        ("listing.suppressed", {"listing_id": "lst_1"}, "listing:lst_1"),
        ("channel.error", {"channel": "amazon"}, "channel:amazon"),
        ("channel.error", {"channel_id": "amazon"}, "channel:amazon"),
        ("channel.error", {"id": "amazon"}, "channel:amazon"),
        ("sync.completed", {"channel": "flipkart"}, "channel:flipkart"),
        ("sync.completed", {"sync_id": "syn_1"}, None),
        ("order.new", {}, None),
        ("order.new", {"id": ""}, None),
        ("order.new", {"id": 7}, None),
        ("order.new", {"id": {"a": "b"}}, None),
        ("order.new", {"id": "a\nb"}, None),
        ("order.new", {"id": "x" * 201}, None),
        ("order", {"id": "ord_1"}, "order:ord_1"),
        ("teleport.done", {"id": "tel_1"}, None),
        ("*", {"id": "ord_1"}, None),
    ],
)
def test_says_what_an_event_is_about(
    event: str, data: dict[str, object], entity: str | None
) -> None:
    assert entity_of(event, data) == entity


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T15:00:00+05:30", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01T09:30:00.250Z", datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)),
        # Without a zone, EcomLinx can only mean UTC: it documents no other.
        ("2026-03-01T09:30:00", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1_772_357_400, None),
    ],
)
def test_reads_times_as_utc(text: object, moment: datetime | None) -> None:
    assert parse_time(text) == moment
