"""The merchant and the marketplaces keep the shop going, without any event."""

from handlers.testing.shop.records import ChannelStatus, OrderStatus, Product, ProductStatus
from handlers.testing.shop.shop import Shop
from handlers.testing.shop.stock import apportion

_OUTAGE_STEPS = 6
_SUPPRESSED_MAX = 6
_SHIPPED_MAX = 40
_REPLENISH_CHANCE = 0.15

#: A purchase brings stock for so many days of sales.
_PURCHASE_DAYS = 35

#: Fewer pieces are not worth sharing out.
_SHARED_MIN = 12


class Upkeep:
    """Mends what traffic wears down: stock, listings, connections, parcels under way."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._chance = shop.chance
        self._outage_steps = 0

    def step(self) -> None:
        """Do what is to be done."""
        self._end_outages()
        self._bring_parcels()
        if self._chance.random() < _REPLENISH_CHANCE:
            self._replenish()
            self._share_out()
            self._relist()

    def connected(self) -> list[str]:
        """Return the channels whose connection works."""
        channels = self._shop.channels.all()
        return [channel.id for channel in channels if channel.status is ChannelStatus.ACTIVE]

    def _end_outages(self) -> None:
        if len(self.connected()) == len(self._shop.channels.all()):
            return
        self._outage_steps += 1
        if self._outage_steps >= _OUTAGE_STEPS:
            self._outage_steps = 0
            for channel in self._shop.channels.all():
                self._shop.recover_channel(channel.id)

    def _bring_parcels(self) -> None:
        orders = self._shop.orders.latest(500)
        shipped = [order for order in orders if order.status is OrderStatus.SHIPPED]
        if len(shipped) > _SHIPPED_MAX:
            self._shop.deliver(shipped[-1].id)

    def _replenish(self) -> None:
        """Buy what is scarcest."""
        scarce = [p for p in self._shop.products.all() if p.stock < p.reorder_point]
        if not scarce:
            return
        product = min(scarce, key=lambda p: p.stock / p.reorder_point)
        days = _PURCHASE_DAYS * self._chance.uniform(0.8, 1.2)
        self._fill(product, product.stock + round(product.velocity * days))
        # Somebody may have drafted it because there was none.
        self._shop.products.change(product, status=ProductStatus.LIVE)

    def _share_out(self) -> None:
        """Give a channel that has sold out some of what the others have."""
        for product in self._shop.products.all():
            is_lopsided = not all(product.allocations.get(c) for c in product.listings)
            if is_lopsided and product.stock >= max(product.reorder_point, _SHARED_MIN):
                self._fill(product, product.stock)
                return

    def _fill(self, product: Product, stock: int) -> None:
        shares = apportion(stock, dict.fromkeys(product.listings, 1))
        self._shop.inventory.update(product.sku, quantity=stock, allocations=shares)

    def _relist(self) -> None:
        suppressed = [
            (product.sku, channel)
            for product in self._shop.products.all()
            for channel, listing in product.listings.items()
            if listing.suppressed is not None
        ]
        if len(suppressed) > _SUPPRESSED_MAX:
            self._shop.relist(*self._chance.choice(suppressed))
