"""The catalogue: products and their listings."""

from collections.abc import Iterable

from handlers.testing.shop.records import Listing, Money, Product, ProductStatus
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.surroundings import Surroundings


class Products:
    """All products, in the order in which they were added."""

    def __init__(self, around: Surroundings, products: Iterable[Product]) -> None:
        self._around = around
        self._by_id = {product.id: product for product in products}
        self._by_sku = {product.sku: product for product in self._by_id.values()}

    def all(self) -> list[Product]:
        """Return every product."""
        return list(self._by_id.values())

    def get(self, product_id: str) -> Product:
        """Return a product by its id.

        Raises:
            RefusedError: `not_found`.
        """
        if product_id not in self._by_id:
            raise RefusedError("not_found", f"Product {product_id} does not exist.")
        return self._by_id[product_id]

    def by_sku(self, sku: str) -> Product:
        """Return a product by its SKU.

        Raises:
            RefusedError: `not_found`.
        """
        if sku not in self._by_sku:
            raise RefusedError("not_found", f"SKU {sku} does not exist.")
        return self._by_sku[sku]

    def search(
        self,
        channel: str | None = None,
        status: ProductStatus | None = None,
        words: str | None = None,
    ) -> list[Product]:
        """Return the products that pass every filter that is given.

        Not documented: we assume that a suppressed listing counts as one on its channel, and that
        `words` is looked for as it stands, anywhere in name or SKU, whatever the case.
        """
        wanted = (words or "").casefold()
        return [
            product
            for product in self._by_id.values()
            if (channel is None or channel in product.listings)
            and (status is None or product.status is status)
            and (wanted in product.name.casefold() or wanted in product.sku.casefold())
        ]

    def sellable(self, channel: str) -> list[Product]:
        """Return the products that a customer can buy on a channel."""
        return [
            product
            for product in self._by_id.values()
            if product.allocations.get(channel, 0) > 0 and channel in product.live_channels
        ]

    def live_on(self, channel: str) -> int:
        """Count the listings that a channel shows."""
        return sum(channel in product.live_channels for product in self._by_id.values())

    def change(
        self,
        product: Product,
        name: str | None = None,
        price: Money | None = None,
        status: ProductStatus | None = None,
    ) -> None:
        """Change what is given."""
        product.name = product.name if name is None else name
        product.price = product.price if price is None else price
        product.chosen_status = product.chosen_status if status is None else status
        product.updated_at = self._around.now()

    def suppress(self, sku: str, channel: str, reason: str) -> None:
        """Have a channel hide a listing, and tell `listing.suppressed`."""
        product = self.by_sku(sku)
        listing = self._listing(product, channel)
        if listing.suppressed is not None:
            raise RefusedError("conflict", f"{sku} is suppressed on {channel} already.")
        listing.suppressed = reason
        product.updated_at = self._around.now()
        self._around.emit(
            "listing.suppressed",
            {
                "product_id": product.id,
                "sku": sku,
                "channel": channel,
                "listing_id": listing.listing_id,
                "reason": reason,
            },
        )

    def relist(self, sku: str, channel: str) -> None:
        """Have a channel show a listing again; no event is documented for it."""
        product = self.by_sku(sku)
        self._listing(product, channel).suppressed = None
        product.updated_at = self._around.now()

    def _listing(self, product: Product, channel: str) -> Listing:
        if channel not in product.listings:
            raise RefusedError("not_found", f"{product.sku} is not listed on {channel}.")
        return product.listings[channel]
