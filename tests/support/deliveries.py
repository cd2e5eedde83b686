"""Webhook bodies as EcomLinx sends them."""

import itertools
from typing import Any

import orjson

from core import signature

SECRET = "test-secret-one"  # noqa: S105 - it guards nothing
OTHER_SECRET = "test-secret-two"  # noqa: S105

_numbers = itertools.count(1)


def body_of(event: str = "order.new", **data: Any) -> bytes:
    """The body of an event; without `data` it is of a new order, different at each call."""
    return orjson.dumps(
        {
            "event": event,
            "created_at": "2026-03-01T09:30:00Z",
            "data": data or {"id": f"ord_{next(_numbers)}", "channel": "amazon", "total": 499.5},
        }
    )


def body_of_size(size: int) -> bytes:
    """A well-formed body of exactly `size` bytes."""
    return body_of(padding="x" * (size - len(body_of(padding=""))))


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers that EcomLinx sends with a body."""
    return {
        "Content-Type": "application/json",
        signature.HEADER: signature.sign(body, secret),
    }
