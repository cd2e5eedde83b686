"""The catalogue: products of all channels."""

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Literal

from core.api.calls import Request
from core.api.errors import BadRequest
from core.api.models import Page, Product, ProductDetail, ProductUpdate
from core.api.paging import PAGE_SIZE, fresh_pages
from core.api.transport import Transport

ProductStatus = Literal["live", "suppressed", "draft", "inactive"]
SettableProductStatus = Literal["live", "draft", "inactive"]


class Products:
    """`api.products`: list, look at and change products."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
        query = {"page": page, "limit": limit, "channel": channel, "status": status, "q": q}
        return self._transport.call(Request("GET", ("products",), query=query), Page[Product])

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
        walk = fresh_pages(
            lambda page: self.list(page, PAGE_SIZE, channel, status, q), "GET /v1/products"
        )
        for products in walk:
            yield from products

    def get(self, product_id: str) -> ProductDetail:
        """Return a product with its listing on each channel.

        Raises:
            NotFound: There is none with this id.
        """
        return self._transport.call(Request("GET", ("products", product_id)), ProductDetail)

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
        return self._transport.call(request, ProductUpdate)
