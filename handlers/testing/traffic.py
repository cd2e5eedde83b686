"""Customers, couriers and marketplaces at work: a believable stream of all nine events."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TypeVar

import structlog

from handlers.testing.shop import people
from handlers.testing.shop.records import Grade, Order, OrderStatus, Product
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.shop import Shop
from handlers.testing.upkeep import Upkeep

T = TypeVar("T", bound=tuple[object, ...])

_log = structlog.get_logger(__name__)

_OPEN = (OrderStatus.READY, OrderStatus.PROCESSING, OrderStatus.NEW)
_OUT = (OrderStatus.DELIVERED, OrderStatus.SHIPPED)

#: With so many orders waiting, the couriers come more often.
_BACKLOG = 60

#: The most pieces that one customer orders.
_BULK_MAX = 25

_SUPPRESSIONS = (
    "Missing HSN code",
    "Main image is below 1000 x 1000 pixels",
    "Price is above the marketplace's limit",
    "Brand approval has expired",
    "Title holds a word that is not allowed",
)
_OUTAGES = (
    ("auth_expired", "The marketplace refuses our access token."),
    ("timeout", "The marketplace did not answer within 30 seconds."),
    ("unavailable", "The marketplace answered 503."),
)

#: What happens in the first steps: every kind soon, and the sync early, as it takes its time.
_FIRST = (
    *("order", "sync", "order", "ship", "order", "run low", "order", "return", "order", "sell out"),
    *("order", "suppress", "order", "ship", "cancel", "order", "fail channel", "order", "ship"),
)

#: What happens later, shuffled anew each time.
_DECK = (
    *(["order"] * 14 + ["ship"] * 6),
    *("run low", "sell out", "cancel", "return", "suppress", "fail channel", "sync"),
)


class Traffic:
    """Drives a shop step by step.

    Steps agree with the shop: what is shipped was ordered, what comes back was shipped, and stock
    runs low because it was sold. The merchant keeps up, so it can go on for days.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.chance = shop.chance
        self._upkeep = Upkeep(shop)
        self._cards = self._deal()
        self._actions: dict[str, Callable[[], None]] = {
            "order": self._order,
            "ship": self._ship,
            "run low": self._run_low,
            "sell out": self._sell_out,
            "cancel": self._cancel,
            "return": self._return,
            "suppress": self._suppress,
            "fail channel": self._fail_channel,
            "sync": self._sync,
        }

    def step(self) -> None:
        """Have one thing happen; it causes an event or two, a sync's only after its time."""
        with self._shop.lock:
            self._upkeep.step()
            try:
                self._actions[next(self._cards)]()
            except RefusedError:
                # There is nothing that it could happen to, such as no order to cancel.
                self._order()

    def _deal(self) -> Iterator[str]:
        yield from _FIRST
        while True:
            yield from self.chance.sample(_DECK, len(_DECK))

    def _order(self) -> None:
        if self._is_behind() and self.chance.random() < 0.5:
            self._ship()
            return
        if not self._upkeep.connected():
            return
        channel = self._channel()
        shelf = self._shop.products.sellable(channel)
        if not shelf:
            return
        weights = [max(product.velocity, 0.1) for product in shelf]
        lines = self.chance.choices((1, 2, 3), (14, 3, 1))[0]
        chosen = {product.sku: product for product in self.chance.choices(shelf, weights, k=lines)}
        items = {sku: self._pieces(product, channel) for sku, product in chosen.items()}
        self._shop.place_order(channel, items)

    def _channel(self) -> str:
        connected = self._upkeep.connected()
        if not connected:
            raise RefusedError("conflict", "No channel is connected.")
        return self.chance.choice(connected)

    def _pieces(self, product: Product, channel: str) -> int:
        wanted: int = self.chance.choices((1, 2, 3), (16, 3, 1))[0]
        return min(wanted, product.allocations[channel])

    def _is_behind(self) -> bool:
        waiting = sum(order.status in _OPEN for order in self._recent())
        return waiting > _BACKLOG

    def _recent(self) -> list[Order]:
        return self._shop.orders.latest(500)

    def _pick(self, *statuses: OrderStatus) -> Order:
        """Return the oldest of the recent orders with the first status that any has."""
        for status in statuses:
            for order in reversed(self._recent()):
                if order.status is status:
                    return order
        raise RefusedError("not_found", "There is no such order.")

    def _ship(self) -> None:
        self._shop.ship(self._pick(*_OPEN).id)

    def _cancel(self) -> None:
        self._shop.cancel(self._pick(*reversed(_OPEN)).id)

    def _return(self) -> None:
        reason = self.chance.choice(people.RETURN_REASONS)
        grade = self.chance.choices(list(Grade), (7, 2, 1))[0]
        self._shop.receive_return(self._pick(*_OUT).id, grade=grade, reason=reason)

    def _run_low(self) -> None:
        """Order the SKU that is nearest to its reorder point, down to below it if one can."""
        healthy = [
            (product.stock - product.reorder_point, product.sku, channel, share)
            for product, channel, share in self._shares()
            if product.stock >= product.reorder_point > 0
        ]
        surplus, sku, channel, share = _least(healthy)
        self._shop.place_order(channel, {sku: min(surplus + 1, share, _BULK_MAX)})

    def _sell_out(self) -> None:
        """Order the smallest share of any channel, all of it if one can."""
        shares = [(share, product.sku, channel) for product, channel, share in self._shares()]
        share, sku, channel = _least(shares)
        self._shop.place_order(channel, {sku: min(share, _BULK_MAX)})

    def _shares(self) -> Iterator[tuple[Product, str, int]]:
        """Walk through what can be bought where."""
        for channel in self._upkeep.connected():
            for product in self._shop.products.sellable(channel):
                yield product, channel, product.allocations[channel]

    def _suppress(self) -> None:
        """Suppress a listing of a product that another channel still shows."""
        listed = [
            product for product in self._shop.products.all() if len(product.live_channels) > 1
        ]
        product = self.chance.choice(listed)
        channel = self.chance.choice(product.live_channels)
        self._shop.suppress(product.sku, channel, self.chance.choice(_SUPPRESSIONS))

    def _fail_channel(self) -> None:
        channel = self._channel()
        self._shop.fail_channel(channel, *self.chance.choice(_OUTAGES))

    def _sync(self) -> None:
        self._shop.start_sync(self._channel())


def _least(found: list[T]) -> T:
    if not found:
        raise RefusedError("conflict", "Nothing is left to sell.")
    return min(found)


async def run_traffic(traffic: Traffic, rate: float) -> None:
    """Step for ever, about `rate` times a second, as irregularly as customers come."""
    chance = traffic.chance
    while True:
        await asyncio.sleep(min(chance.expovariate(rate), 3 / rate))
        try:
            traffic.step()
        except Exception:  # noqa: BLE001 - logged, and tomorrow is another day
            _log.exception("traffic_step_failed")
