"""The shop behind the local EcomLinx: all of its state, and what can happen in it."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence

from core.events import EVENT_TYPES
from handlers.testing.shop import catalogue, history, people
from handlers.testing.shop.channels import Channels
from handlers.testing.shop.clock import Now, utc_now
from handlers.testing.shop.ids import Ids
from handlers.testing.shop.inventory import Inventory
from handlers.testing.shop.orders import Orders
from handlers.testing.shop.products import Products
from handlers.testing.shop.records import (
    Customer,
    Grade,
    Order,
    OrderStatus,
    Product,
    SyncJob,
    Webhook,
)
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.returns import Returns
from handlers.testing.shop.surroundings import Listener, Surroundings
from handlers.testing.shop.syncs import Syncs
from handlers.testing.shop.webhooks import Webhooks


class Shop:
    """A merchant's workspace at EcomLinx, in memory: nothing here is sent or waited for.

    Its methods are what happens in the world: customers order, couriers collect, channels fail.
    They are thread-safe. Its attributes are what there is: hold `lock` to read or change several
    things at one moment. What can't be done raises `RefusedError` and changes nothing.

    Args:
        now: The clock.
        seed: The same seed and the same time make the same shop.
        history_days: How many days of past orders there are; 0 for none.
        sync_speed: How many times faster than estimated a channel's sync is.
    """

    def __init__(
        self,
        *,
        now: Now = utc_now,
        seed: int = 1,
        history_days: float = 21,
        sync_speed: float = 1.0,
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - a simulation has to be repeatable
        documented = (catalogue.DOCUMENTED_PRODUCT, catalogue.DOCUMENTED_ORDER)
        around = Surroundings(now, chance, Ids(chance, documented))
        self._around = around
        self.lock = threading.RLock()
        self.channels = Channels(around, catalogue.make_channels(now()))
        self.products = Products(around, catalogue.make_products(around))
        connected = [channel.id for channel in self.channels.all()]
        self.inventory = Inventory(around, self.products, connected)
        self.orders = Orders(around, self.products, self.inventory)
        self.returns = Returns(around, self.orders)
        self.syncs = Syncs(around, self.channels, self.orders, self.products, sync_speed)
        self.webhooks = Webhooks(around)
        history.fill(around, self.products, self.orders, history_days)

    @property
    def now(self) -> Now:
        """The shop's clock."""
        return self._around.now

    @property
    def chance(self) -> random.Random:
        """The shop's source of chance; not thread-safe."""
        return self._around.chance

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` told of every event; return what ends that.

        It is called in the thread that made the change and must not wait.
        """
        self._around.listeners.append(listener)
        return lambda: self._around.listeners.remove(listener)

    def add_webhook(
        self, url: str, events: Sequence[str] = EVENT_TYPES, secret: str | None = None
    ) -> Webhook:
        """Register an endpoint without the API's demands on it; see `Webhooks.register`."""
        with self.lock:
            return self.webhooks.register(url, events, secret)

    def place_order(
        self,
        channel: str = "amazon_in",
        items: Mapping[str, int] | None = None,
        customer: Customer | None = None,
    ) -> Order:
        """Order pieces by SKU, by default one of something that the channel has; `order.new`."""
        with self.lock:
            self.channels.get(channel)
            chosen = items or {self._anything(channel).sku: 1}
            return self.orders.place(channel, chosen, customer or people.customer(self.chance))

    def ship(self, order_id: str, awb: str | None = None, courier: str | None = None) -> Order:
        """Hand an order to a courier, made up where not given; `order.shipped`."""
        with self.lock:
            return self.orders.change(
                order_id,
                OrderStatus.SHIPPED,
                awb or people.awb(self.chance),
                courier or self.chance.choice(people.COURIERS),
            )

    def deliver(self, order_id: str) -> Order:
        """Bring an order to its customer; no event is documented for it."""
        with self.lock:
            return self.orders.change(order_id, OrderStatus.DELIVERED)

    def cancel(self, order_id: str) -> Order:
        """Cancel an order; `order.cancelled`. Its pieces don't go back to stock by themselves."""
        with self.lock:
            return self.orders.change(order_id, OrderStatus.CANCELLED)

    def receive_return(
        self,
        order_id: str,
        sku: str | None = None,
        qty: int | None = None,
        grade: Grade | str = Grade.RESELLABLE,
        reason: str = people.RETURN_REASONS[0],
    ) -> str:
        """Take back pieces of one SKU, by default all of the first; `return.received`.

        Returns:
            The return's id. The pieces don't go back to stock by themselves.
        """
        with self.lock:
            return self.returns.receive(order_id, sku, qty, Grade(grade), reason)

    def suppress(self, sku: str, channel: str, reason: str = "Missing HSN code") -> None:
        """Have a channel hide a listing; `listing.suppressed`."""
        with self.lock:
            self.products.suppress(sku, channel, reason)

    def relist(self, sku: str, channel: str) -> None:
        """Have a channel show a listing again."""
        with self.lock:
            self.products.relist(sku, channel)

    def fail_channel(
        self,
        channel: str,
        code: str = "auth_expired",
        message: str = "The marketplace refuses our access token.",
    ) -> None:
        """Break a channel's connection; `channel.error`."""
        with self.lock:
            self.channels.fail(channel, code, message)

    def recover_channel(self, channel: str) -> None:
        """Mend a channel's connection."""
        with self.lock:
            self.channels.recover(channel)

    def set_stock(self, sku: str, quantity: int) -> Product:
        """Set a SKU's stock; `inventory.low` and `inventory.out` may follow."""
        with self.lock:
            return self.inventory.update(sku, quantity=quantity)

    def adjust_stock(self, sku: str, delta: int) -> Product:
        """Add to a SKU's stock or subtract from it; the same events may follow."""
        with self.lock:
            return self.inventory.update(sku, adjust=delta)

    def allocate(self, sku: str, allocations: Mapping[str, int]) -> Product:
        """Set what the named channels get; `inventory.out` may follow."""
        with self.lock:
            return self.inventory.update(sku, allocations=allocations)

    def start_sync(self, channel: str) -> SyncJob:
        """Begin a sync; `sync.completed` follows from `finish_due_syncs` when it is due."""
        with self.lock:
            return self.syncs.start(channel)

    def finish_due_syncs(self) -> None:
        """End the syncs whose time has come; the API does that every moment."""
        with self.lock:
            self.syncs.finish_due()

    def _anything(self, channel: str) -> Product:
        sellable = self.products.sellable(channel)
        if not sellable:
            raise RefusedError("conflict", f"{channel} has nothing to sell.")
        return self.chance.choice(sellable)
