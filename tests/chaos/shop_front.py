"""What the harness asks of the API process, and orders from it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from tests.chaos.api import CONTROL
from tests.support.raw_http import Connection, request


@dataclass(frozen=True, slots=True)
class ShopState:
    """The stock of each SKU, and how often each adjustment was carried out."""

    stock: dict[str, int]
    effects: Counter[tuple[str, int]]


class ShopFront:
    """The API process on a port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def state(self) -> ShopState:
        """Look at the shop."""
        found = self._ask("state")
        return ShopState(found["stock"], Counter((sku, delta) for sku, delta in found["effects"]))

    def fail_next(self, count: int, **how: Any) -> None:
        """Have the next adjustments fail; see `Faults.fail_next`."""
        self._ask("fail", {"n": count, "method": "PATCH", **how})

    def clear(self) -> None:
        """Forget the failures that are still to come."""
        self._ask("clear")

    def _ask(self, what: str, order: dict[str, Any] | None = None) -> dict[str, Any]:
        with Connection(self._port) as connection:
            connection.send(request("POST", CONTROL + what, body=orjson.dumps(order or {})))
            answer: dict[str, Any] = connection.receive().json
            return answer
