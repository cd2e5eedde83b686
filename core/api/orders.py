"""The orders of all channels."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import islice
from typing import Literal

from core.api.calls import Request
from core.api.errors import NotFound
from core.api.models import Order, OrderUpdate, Page
from core.api.paging import PAGE_SIZE, fresh_pages
from core.api.transport import Transport

OrderStatus = Literal["new", "processing", "ready", "shipped", "delivered", "cancelled", "return"]
SettableOrderStatus = Literal["processing", "ready", "shipped", "delivered", "cancelled"]

OrderPages = Iterator[tuple[Order, ...]]

#: Finds an order by its id in pages that are called for one by one, newest orders first; the seam
#: for an order book that processes share, which looks there first and remembers what it reads.
FindOrder = Callable[[str, OrderPages], Order | None]


def find_in_pages(order_id: str, pages: OrderPages) -> Order | None:
    """Return the order, reading no more pages than it takes; None where no page has it."""
    for orders in pages:
        for order in orders:
            if order.id == order_id:
                return order
    return None


class Orders:
    """`api.orders`: list, find and update orders."""

    def __init__(self, transport: Transport, find: FindOrder = find_in_pages) -> None:
        self._transport = transport
        self._find = find

    def list(
        self,
        page: int = 1,
        limit: int = PAGE_SIZE,
        status: OrderStatus | None = None,
        channel: str | None = None,
        from_: date | str | None = None,
    ) -> Page[Order]:
        """Return one page of orders, newest first.

        Args:
            page: Its number; the first is 1.
            limit: Entries on it, at most 100.
            status: Only those with this status.
            channel: Only those of this channel, such as ``amazon_in``.
            from_: Only those from this day on. Only days are documented, so of a `datetime` the
                day in UTC is sent: the answer may begin earlier that day. Not documented: which
                of an order's times counts; we assume `created_at`.
        """
        query = {
            "status": status,
            "channel": channel,
            "from": _day(from_),
            "page": page,
            "limit": limit,
        }
        return self._transport.call(Request("GET", ("orders",), query=query), Page[Order])

    def iterate(
        self,
        status: OrderStatus | None = None,
        channel: str | None = None,
        from_: date | str | None = None,
    ) -> Iterator[Order]:
        """Yield every order, newest first, one call per hundred, none twice.

        An order that drops out of the filter while you walk hides another: make a list of them
        first if you change what you filter by.
        """
        for orders in self._pages(status, channel, from_):
            yield from orders

    def get(self, order_id: str, *, since: datetime | None = None, max_pages: int = 10) -> Order:
        """Return one order, looked for from the newest on: EcomLinx documents no call for one.

        Args:
            order_id: Which order.
            since: Don't look at orders created before this; a naive time is taken as UTC.
            max_pages: Look at this many pages of a hundred at most.

        Raises:
            NotFound: It is not among those.
        """
        pages = islice(_created_since(since, self._pages()), max_pages)
        order = self._find(order_id, pages)
        if order is None:
            message = f"order {order_id!r} is not among the newest that were looked at"
            raise NotFound("not_found", message, 404, "GET /v1/orders")
        return order

    def update(
        self,
        order_id: str,
        status: SettableOrderStatus,
        *,
        awb: str | None = None,
        courier: str | None = None,
    ) -> OrderUpdate:
        """Set an order's status and, if given, its tracking details.

        Args:
            order_id: Which order.
            status: Its new status.
            awb: Airway bill, that is tracking number.
            courier: Courier's name, such as ``Delhivery``.
        """
        given = {"status": status, "awb": awb, "courier": courier}
        body = {field: value for field, value in given.items() if value is not None}
        once = f"orders.update({', '.join((order_id, *body.values()))})"
        request = Request("PATCH", ("orders", order_id), body=body, once=once)
        return self._transport.call(request, OrderUpdate)

    def _pages(
        self,
        status: OrderStatus | None = None,
        channel: str | None = None,
        from_: date | str | None = None,
    ) -> OrderPages:
        return fresh_pages(
            lambda page: self.list(page, PAGE_SIZE, status, channel, from_), "GET /v1/orders"
        )


def _day(moment: date | str | None) -> str | None:
    if isinstance(moment, datetime):
        return _as_utc(moment).date().isoformat()
    return moment.isoformat() if isinstance(moment, date) else moment


def _as_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _created_since(since: datetime | None, pages: OrderPages) -> OrderPages:
    """Pass on pages until one reaches back beyond `since`, less what is older."""
    if since is None:
        yield from pages
        return
    bound = _as_utc(since)
    for orders in pages:
        recent = tuple(order for order in orders if order.created_at >= bound)
        yield recent
        if len(recent) < len(orders):
            return
