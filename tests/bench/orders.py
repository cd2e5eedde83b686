"""New orders of a usual size, each different."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from core.events import Arrival, Source, event_id

#: What the body of a new order has in bytes, give or take a few.
BODY_BYTES = 400


def body(number: int) -> bytes:
    """The body of one order's event; the same number gives the same bytes."""
    return orjson.dumps(
        {
            "event": "order.new",
            "created_at": "2026-03-01T09:30:00Z",
            "data": {
                "id": f"ord_{number:09}",
                "channel": "amazon_in",
                "status": "unfulfilled",
                "total": 1499.5,
                "currency": "INR",
                "customer": {"name": "Priya Sharma", "city": "Bengaluru", "pincode": "560001"},
                "items": [
                    {"sku": f"SHIRT-BLU-{number % 500:03}", "quantity": 2, "price": 499.5},
                    {"sku": f"MUG-WHT-{number % 300:03}", "quantity": 1, "price": 500.5},
                ],
                "shipping": {"method": "standard", "promised_by": "2026-03-05T18:30:00Z"},
            },
        }
    )


def arrivals(count: int) -> Sequence[Arrival]:
    """So many events, as the receiver has them once their signature is checked."""
    now = datetime.now(UTC)
    bodies = (body(number) for number in range(count))
    return [Arrival(event_id(raw), raw, now, Source.WEBHOOK) for raw in bodies]
