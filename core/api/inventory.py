"""The stock of each SKU."""

from collections.abc import Mapping
from typing import Literal

from core.api.calls import Request
from core.api.errors import NotFound
from core.api.models import InventoryItem, InventoryList, StockUpdate
from core.api.transport import Transport

InventoryStatus = Literal["critical", "low", "healthy", "dead_stock"]


class Inventory:
    """`api.inventory`: look at stock and change it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, status: InventoryStatus | None = None, channel: str | None = None
    ) -> InventoryList:
        """Return the stock of all SKUs; EcomLinx documents no pages for it.

        Args:
            status: Only those with this status.
            channel: Filters allocations by this channel. Not documented: whether SKUs without
                one on it are left out.
        """
        query = {"status": status, "channel": channel}
        return self._transport.call(Request("GET", ("inventory",), query=query), InventoryList)

    def get(self, sku: str) -> InventoryItem:
        """Return the stock of one SKU, found in the list: EcomLinx documents no call for one.

        Raises:
            NotFound: The list has no such SKU.
        """
        for item in self.list().data:
            if item.sku == sku:
                return item
        raise NotFound("not_found", f"SKU {sku!r} is not listed", 404, "GET /v1/inventory")

    def set(self, sku: str, quantity: int) -> StockUpdate:
        """Set the absolute stock."""
        return self._update(sku, {"quantity": quantity})

    def adjust(self, sku: str, delta: int) -> StockUpdate:
        """Add to the stock, or subtract from it.

        Doing this twice counts twice. It is tried again only when it is certain that EcomLinx
        didn't carry it out; otherwise the error has `outcome_unknown`.
        """
        once = f"inventory.adjust({sku}, {delta:+d})"
        return self._update(sku, {"adjust": delta}, repeatable=False, once=once)

    def allocate(self, sku: str, allocations: Mapping[str, int]) -> StockUpdate:
        """Set how much of the stock each channel gets, such as ``{"amazon_in": 60}``.

        Not documented: what becomes of channels that are not named.
        """
        return self._update(sku, {"allocations": dict(allocations)})

    def _update(
        self,
        sku: str,
        body: Mapping[str, object],
        *,
        repeatable: bool = True,
        once: str | None = None,
    ) -> StockUpdate:
        request = Request("PATCH", ("inventory", sku), body=body, repeatable=repeatable, once=once)
        return self._transport.call(request, StockUpdate)
