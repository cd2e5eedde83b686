"""The stock of each SKU."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from core.api.answers import Answer, read
from core.api.book.lookup import INVENTORY, PRODUCTS, Lookup
from core.api.book.occasion import wanted_on
from core.api.book.search import Missing
from core.api.book.shelf import Kind, Paged, Sheet
from core.api.calls import Request
from core.api.models import InventoryItem, InventoryList, StockUpdate
from core.api.transport import Transport

InventoryStatus = Literal["critical", "low", "healthy", "dead_stock"]


def _sheet(answer: Answer, request: Request, _: int) -> Sheet[InventoryItem]:
    return Sheet(read(InventoryList, answer, request).data, is_last=True)


_KIND = Kind(INVENTORY, InventoryItem, key_of=lambda item: item.sku, read_sheet=_sheet)
_ALL = Request("GET", ("inventory",))


class Inventory:
    """`api.inventory`: look at stock and change it."""

    def __init__(self, transport: Transport, lookup: Lookup) -> None:
        self._transport = transport
        self._lookup = lookup

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

    def get(self, sku: str, *, fresh_since: datetime | None = None) -> InventoryItem:
        """Return the stock of one SKU, found in the list: EcomLinx documents no call for one.

        The list is asked for once for all, in any process, who look for a SKU at the time.

        Args:
            sku: Which SKU.
            fresh_since: What was asked for before this is too old. By default ten seconds will do;
                in a handler, what was asked for since its event came.

        Raises:
            NotYetVisible: The list has no such SKU, but the event that tells of it has just come.
            NotFound: The list has no such SKU.
        """
        wanted = wanted_on(self._lookup.occasion, fresh_since, max_pages=1)
        shelf = self._lookup.shelf(_KIND, self._transport)
        found = shelf.find(sku, Paged("", lambda _: _ALL), wanted)
        if isinstance(found, Missing):
            self._lookup.raise_not_found(f"SKU {sku!r}", found, str(_ALL))
        return found

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
        changing = self._lookup.changing({INVENTORY: [sku], PRODUCTS: [sku]})
        return self._transport.call(request, StockUpdate, changing)
