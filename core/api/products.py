"""The catalogue: products of all channels."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Literal

from core.api.answers import Answer, read
from core.api.book.demand import CATALOGUE_PAGES_MAX
from core.api.book.lookup import INVENTORY, PRODUCTS, Lookup
from core.api.book.occasion import wanted_on
from core.api.book.search import Missing, Reach
from core.api.book.shelf import Kind, Paged, Sheet
from core.api.calls import Request
from core.api.errors import BadRequest
from core.api.models import Page, Product, ProductDetail, ProductUpdate
from core.api.paging import PAGE_SIZE, ends_list, fresh_pages
from core.api.transport import Transport

ProductStatus = Literal["live", "suppressed", "draft", "inactive"]
SettableProductStatus = Literal["live", "draft", "inactive"]

_ENDPOINT = "GET /v1/products"

#: Of products that a search for a SKU finds, so many pages are looked at.
_SEARCH_PAGES_MAX = 10


def _sheet(answer: Answer, request: Request, number: int) -> Sheet[Product]:
    page = read(Page[Product], answer, request)
    return Sheet(page.data, ends_list(page, number))


_KIND = Kind(
    PRODUCTS,
    Product,
    key_of=lambda product: product.sku,
    read_sheet=_sheet,
    alias_of=lambda product: product.id,
)


class Products:
    """`api.products`: list, look at and change products."""

    def __init__(self, transport: Transport, lookup: Lookup) -> None:
        self._transport = transport
        self._lookup = lookup

    def list(
        self,
        page: int = 1,
        limit: int = PAGE_SIZE,
        channel: str | None = None,
        status: ProductStatus | None = None,
        q: str | None = None,
    ) -> Page[Product]:
        """Return one page of products.

        Args:
            page: Its number; the first is 1.
            limit: Entries on it, at most 100.
            channel: Only those on this channel, such as ``amazon_in``.
            status: Only those with this status.
            q: Only those whose name or SKU this finds.
        """
        return self._transport.call(_list_request(page, limit, channel, status, q), Page[Product])

    def iterate(
        self,
        channel: str | None = None,
        status: ProductStatus | None = None,
        q: str | None = None,
    ) -> Iterator[Product]:
        """Yield every product, one call per hundred, none twice.

        A product that drops out of the filter while you walk hides another: make a list of them
        first if you change what you filter by.
        """
        walk = fresh_pages(lambda page: self.list(page, PAGE_SIZE, channel, status, q), _ENDPOINT)
        for products in walk:
            yield from products

    def get(self, product_id: str) -> ProductDetail:
        """Return a product with its listing on each channel.

        Raises:
            NotFound: There is none with this id.
        """
        return self._transport.call(Request("GET", ("products", product_id)), ProductDetail)

    def by_sku(self, sku: str, *, fresh_since: datetime | None = None) -> Product:
        """Return the product with this SKU, as it stands in the list.

        What others have found lately, in any process, is looked at first, and who searches for the
        same at the same time shares one call. It is searched for by `q`; where many SKUs are looked
        for, the list is read instead, if it has no more than five pages. Not documented: we assume
        that `q` finds a whole SKU.

        Args:
            sku: Which SKU, exactly.
            fresh_since: What was asked for before this is too old. By default ten seconds will do;
                in a handler, what was asked for since its event came.

        Raises:
            NotYetVisible: There is no such SKU, but the event that tells of it has just come.
            NotFound: There is no such SKU.
        """
        if self._lookup.demand.is_broad(sku):
            listed = self._in_catalogue(sku, fresh_since)
            if listed is not None:
                return listed
        wanted = wanted_on(self._lookup.occasion, fresh_since, max_pages=_SEARCH_PAGES_MAX)
        searched = Paged(f"q={sku}", lambda page: _list_request(page, q=sku))
        found = self._lookup.shelf(_KIND, self._transport).find(sku, searched, wanted)
        if isinstance(found, Missing):
            self._lookup.raise_not_found(f"SKU {sku!r}", found, _ENDPOINT)
        return found

    def _in_catalogue(self, sku: str, fresh_since: datetime | None) -> Product | None:
        """Look through the list, whose order isn't documented: what it lacks may yet be there."""
        wanted = wanted_on(self._lookup.occasion, fresh_since, max_pages=CATALOGUE_PAGES_MAX)
        found = self._lookup.shelf(_KIND, self._transport).find(sku, _CATALOGUE, wanted)
        if not isinstance(found, Missing):
            return found
        if found.reach is Reach.MAX_PAGES:
            self._lookup.demand.note_large_catalogue()
        return None

    def update(
        self,
        product_id: str,
        *,
        name: str | None = None,
        price: Decimal | float | None = None,
        stock: int | None = None,
        status: SettableProductStatus | None = None,
    ) -> ProductUpdate:
        """Change what is given, and nothing else; EcomLinx passes it on to the channels.

        Args:
            product_id: Which product.
            name: Its display name.
            price: Its base price in INR, or the currency of the account; sent exactly as given.
            stock: Its absolute stock.
            status: Its status.

        Raises:
            BadRequest: Nothing is given, or `price` is not a finite number.
        """
        given = {"name": name, "price": price, "stock": stock, "status": status}
        body = {field: value for field, value in given.items() if value is not None}
        request = Request("PATCH", ("products", product_id), body=body)
        if not body or (price is not None and not isfinite(price)):
            message = "not sent: give at least one field, and a price that is a finite number"
            raise BadRequest("bad_request", message, 400, str(request))
        # Not documented, but all there can be: a product's stock is its SKU's.
        changed = {PRODUCTS: [product_id], **({} if stock is None else {INVENTORY: []})}
        return self._transport.call(request, ProductUpdate, self._lookup.changing(changed))


def _list_request(
    page: int,
    limit: int = PAGE_SIZE,
    channel: str | None = None,
    status: ProductStatus | None = None,
    q: str | None = None,
) -> Request:
    query = {"page": page, "limit": limit, "channel": channel, "status": status, "q": q}
    return Request("GET", ("products",), query=query)


_CATALOGUE = Paged("", _list_request)
