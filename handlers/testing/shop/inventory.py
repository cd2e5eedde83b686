"""The stock of every SKU."""

from collections.abc import Collection, Mapping

from handlers.testing.shop.products import Products
from handlers.testing.shop.records import Product
from handlers.testing.shop.refusals import RefusedError
from handlers.testing.shop.stock import reallocate
from handlers.testing.shop.surroundings import Surroundings


class Inventory:
    """Changes stock, and tells `inventory.low` and `inventory.out` where that follows."""

    def __init__(self, around: Surroundings, products: Products, channels: Collection[str]) -> None:
        self._around = around
        self._products = products
        self._channels = channels

    def update(
        self,
        sku: str,
        *,
        quantity: int | None = None,
        adjust: int | None = None,
        allocations: Mapping[str, int] | None = None,
    ) -> Product:
        """Set or adjust the stock, then allocate it; all of it or nothing.

        Channels that `allocations` doesn't name keep theirs.

        Raises:
            RefusedError: `bad_request` where a channel isn't connected or a number is negative,
                `conflict` where stock would fall below zero or less than what is allocated.
        """
        product = self._products.by_sku(sku)
        self._check(quantity, allocations or {})
        stock = product.stock + (adjust or 0) if quantity is None else quantity
        if stock < 0:
            raise RefusedError(
                "conflict", f"{sku} has {product.stock} units: {adjust} is too much."
            )
        spread = reallocate(product.allocations, product.stock, stock)
        merged = {**spread, **(allocations or {})}
        if sum(merged.values()) > stock:
            raise RefusedError(
                "conflict",
                f"Allocations of {sku} add up to {sum(merged.values())}, its stock is {stock}.",
            )
        self._put(product, stock, merged)
        return product

    def require(self, channel: str, quantities: Mapping[str, int]) -> None:
        """Make sure that a channel's share covers what is ordered.

        Raises:
            RefusedError: `not_found`, or `conflict` where there is less.
        """
        for sku, qty in quantities.items():
            share = self._products.by_sku(sku).allocations.get(channel, 0)
            if not 0 < qty <= share:
                raise RefusedError("conflict", f"{channel} has {share} x {sku}, not {qty} to sell.")

    def take(self, channel: str, quantities: Mapping[str, int]) -> None:
        """Take from a channel's share what `require` has found there."""
        for sku, qty in quantities.items():
            product = self._products.by_sku(sku)
            shares = {**product.allocations, channel: product.allocations[channel] - qty}
            self._put(product, product.stock - qty, shares)

    def _check(self, quantity: int | None, allocations: Mapping[str, int]) -> None:
        if quantity is not None and quantity < 0:
            raise RefusedError("bad_request", "quantity must be at least 0.")
        for channel, units in allocations.items():
            if channel not in self._channels:
                raise RefusedError("bad_request", f"allocations: {channel} is not connected.")
            if units < 0:
                raise RefusedError("bad_request", f"allocations.{channel} must be at least 0.")

    def _put(self, product: Product, stock: int, allocations: dict[str, int]) -> None:
        """Change the stock; the only place where that is done."""
        stock_before, shares_before = product.stock, product.allocations
        product.stock, product.allocations = stock, allocations
        product.updated_at = self._around.now()
        if stock < product.reorder_point <= stock_before:
            self._tell_low(product)
        emptied = [c for c, units in shares_before.items() if units > 0 and allocations[c] == 0]
        for channel in emptied:
            self._tell_out(product, channel)
        if stock == 0 < stock_before and not emptied:
            self._tell_out(product, None)

    def _tell_low(self, product: Product) -> None:
        self._around.emit(
            "inventory.low",
            {
                "sku": product.sku,
                "total_stock": product.stock,
                "reorder_point": product.reorder_point,
                "velocity": product.velocity,
            },
        )

    def _tell_out(self, product: Product, channel: str | None) -> None:
        data = {"sku": product.sku, "channel": channel, "total_stock": product.stock}
        self._around.emit("inventory.out", data)
