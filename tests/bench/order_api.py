"""EcomLinx with a burst of new orders: ``python -m tests.bench.order_api FOLDER --orders 1000``.

It keeps strictly to the documented limits. What has happened to it is written down when it stops.
"""

import argparse
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from handlers.testing import LocalEcomLinx, OrderStatus, Shop, ShopEvent

API_KEY = "test-api-key"

#: Of so many calls one meets a trouble of each kind, and there are so many troubles of each.
_EVERY, _OF_EACH = 60, 16

_STOCK = 100_000
#: Stands before its address in what it prints.
LISTENS = "order_api_listens"

_BURST, _AFTERWARDS = "burst.json", "afterwards.json"


@dataclass(frozen=True, slots=True)
class Sold:
    """An order of the burst: the webhook's body, and what was ordered, by SKU."""

    id: str
    body: str
    pieces: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that arrived, and when, in seconds since the epoch."""

    method: str
    path: str
    status: int | None
    at: float

    @property
    def is_change(self) -> bool:
        """Whether it has changed something, as far as its answer says."""
        return self.method == "PATCH" and self.status == 200


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What EcomLinx can tell when all is over.

    Attributes:
        calls: All that were made, in the order in which they arrived.
        missing: Pieces of each SKU that calls have taken from its stock.
        accepted: Orders of the burst that have been taken on.
        injected: Calls that were refused though the limits allowed them.
    """

    calls: Sequence[Call]
    missing: Mapping[str, int]
    accepted: Sequence[str]
    injected: int

    @property
    def times(self) -> Sequence[float]:
        """When each call arrived."""
        return [call.at for call in self.calls]

    @property
    def lists(self) -> int:
        """How many pages of the list of orders were asked for."""
        return sum(call.method == "GET" and call.path == "/v1/orders" for call in self.calls)

    @property
    def refused(self) -> int:
        """How many calls came too early."""
        return sum(call.status == 429 for call in self.calls) - self.injected


def burst_in(folder: Path) -> Sequence[Sold]:
    """The orders, the oldest first; there once the program says that it listens."""
    return [Sold(**entry) for entry in orjson.loads((folder / _BURST).read_bytes())]


def afterwards_in(folder: Path) -> Afterwards:
    """What it has written down; there once it has been stopped."""
    told = orjson.loads((folder / _AFTERWARDS).read_bytes())
    return Afterwards(**{**told, "calls": [Call(**call) for call in told["calls"]]})


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser("python -m tests.bench.order_api", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--trouble", action="store_true", help="answer some calls badly")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    shop = Shop()
    burst = _sell(shop, options.orders)
    (options.folder / _BURST).write_bytes(orjson.dumps(burst))
    stock = _stock(shop)
    with LocalEcomLinx(API_KEY, shop=shop) as ecomlinx:
        if options.trouble:
            _make_trouble(ecomlinx)
        print(LISTENS, ecomlinx.url, flush=True)  # noqa: T201 - whoever has started it reads this
        signal.sigwait({signal.SIGTERM})
    found = _afterwards(ecomlinx, stock, burst)
    (options.folder / _AFTERWARDS).write_bytes(orjson.dumps(found))


def _sell(shop: Shop, orders: int) -> Sequence[Sold]:
    for product in shop.products.all():
        shop.set_stock(product.sku, _STOCK)
    told: list[ShopEvent] = []
    stop_listening = shop.listen(told.append)
    sold = [shop.place_order() for _ in range(orders)]
    stop_listening()
    bodies = {event.data["id"]: event.body() for event in told if event.name == "order.new"}
    return [Sold(order.id, bodies[order.id].decode(), order.quantities) for order in sold]


def _make_trouble(ecomlinx: LocalEcomLinx) -> None:
    """Refuse for a second; fail before and after the change is made; answer after two seconds."""
    ecomlinx.fail_next(_OF_EACH, every=_EVERY, status=429, retry_after=1)
    ecomlinx.fail_next(_OF_EACH // 2, every=_EVERY, status=500)
    ecomlinx.fail_next(_OF_EACH // 2, every=_EVERY, status=500, after_effect=True)
    ecomlinx.fail_next(_OF_EACH, every=_EVERY, delay_seconds=2, after_effect=True)


def _afterwards(
    ecomlinx: LocalEcomLinx, stock: Mapping[str, int], burst: Sequence[Sold]
) -> Afterwards:
    calls = sorted(ecomlinx.requests, key=lambda call: call.received_at)
    left = _stock(ecomlinx.shop)
    orders = (ecomlinx.shop.orders.get(sold.id) for sold in burst)
    return Afterwards(
        calls=[Call(c.method, c.path, c.status, c.received_at.timestamp()) for c in calls],
        missing={sku: stock[sku] - left[sku] for sku in stock},
        accepted=[order.id for order in orders if order.status is OrderStatus.PROCESSING],
        injected=ecomlinx.faults.happened.get(429, 0),
    )


def _stock(shop: Shop) -> Mapping[str, int]:
    return {product.sku: product.stock for product in shop.products.all()}


if __name__ == "__main__":
    main()
