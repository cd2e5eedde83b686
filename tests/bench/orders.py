"""New orders of a usual size and a usual variety, each different."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from core.events import Arrival, Source, event_id
from handlers.testing.shop import people

_CHANNELS = ("amazon_in", "flipkart", "meesho", "shopify")
_DIGITS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_COLOURS = ("BLUE", "BLACK", "WHITE", "OLIVE", "MAROON", "MUSTARD", "GREY", "TEAL")
_PIECES = ("TEE", "POLO", "HOODIE", "JOGGER", "KURTA", "SHIRT", "SOCKS", "CAP", "BELT", "BOTTLE")
_SIZES = ("S", "M", "L", "XL")
_BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)


def body(number: int) -> bytes:
    """The body of one order's event, 400 bytes on average; the same number gives the same bytes."""
    chance = random.Random(number)  # noqa: S311 - it shall be the same each time
    created = _BEGINNING + timedelta(seconds=number)
    customer, channel = people.customer(chance), chance.choice(_CHANNELS)
    items = [_item(chance) for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))]
    return orjson.dumps(
        {
            "event": "order.new",
            "created_at": _iso(created),
            "data": {
                "id": f"ord_{number:05}{''.join(chance.choices(_DIGITS, k=5))}",
                "channel": channel,
                "channel_order_id": people.channel_order_id(chance, channel),
                "status": "new",
                "customer": {"name": customer.name, "city": customer.city},
                "items": items,
                "total": sum(item["qty"] * item["price"] for item in items),
                "awb": None,
                "sla_deadline": _iso(created + timedelta(days=1)),
                "created_at": _iso(created),
            },
        }
    )


def arrivals(count: int, first: int = 0) -> Sequence[Arrival]:
    """So many events, as the receiver has them once their signature is checked.

    They are those from the number `first` on.
    """
    now = datetime.now(UTC)
    bodies = (body(number) for number in range(first, first + count))
    return [Arrival(event_id(raw), raw, now, Source.WEBHOOK) for raw in bodies]


def _item(chance: random.Random) -> Mapping[str, Any]:
    sku = "-".join(map(chance.choice, (_COLOURS, _PIECES, _SIZES)))
    quantity, price = chance.choice((1, 1, 1, 2, 3)), 99 + 50 * chance.randrange(60)
    return {"sku": sku, "qty": quantity, "price": price}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
