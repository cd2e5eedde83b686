"""The orders of all channels."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal

from core.api.answers import Answer, read
from core.api.book.lookup import INVENTORY, ORDERS, PRODUCTS, Lookup
from core.api.book.occasion import as_utc, micros, wanted_on
from core.api.book.search import Missing, Reach
from core.api.book.shelf import Kind, Paged, Sheet
from core.api.calls import Request
from core.api.models import Order, OrderUpdate, Page
from core.api.paging import PAGE_SIZE, ends_list, fresh_pages
from core.api.transport import Transport

OrderStatus = Literal["new", "processing", "ready", "shipped", "delivered", "cancelled", "return"]
SettableOrderStatus = Literal["processing", "ready", "shipped", "delivered", "cancelled"]

_ENDPOINT = "GET /v1/orders"


def _sheet(answer: Answer, request: Request, number: int) -> Sheet[Order]:
    page = read(Page[Order], answer, request)
    oldest = min((micros(order.created_at) for order in page.data), default=0)
    return Sheet(page.data, ends_list(page, number), oldest)


_KIND = Kind(ORDERS, Order, key_of=lambda order: order.id, read_sheet=_sheet)


class Orders:
    """`api.orders`: list, find and update orders."""

    def __init__(self, transport: Transport, lookup: Lookup) -> None:
        self._transport = transport
        self._lookup = lookup

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
        request = _list_request(page, limit, status, channel, from_)
        return self._transport.call(request, Page[Order])

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
        walk = fresh_pages(
            lambda page: self.list(page, PAGE_SIZE, status, channel, from_), _ENDPOINT
        )
        for orders in walk:
            yield from orders

    def get(
        self,
        order_id: str,
        *,
        since: datetime | None = None,
        max_pages: int = 10,
        fresh_since: datetime | None = None,
    ) -> Order:
        """Return one order, looked for from the newest on: EcomLinx documents no call for one.

        What has been read of the list lately is looked at first, by whichever process; what
        isn't there is asked for once for all who look for orders at the time.

        Args:
            order_id: Which order.
            since: Don't look at orders created before this; a naive time is taken as UTC.
            max_pages: Look at this many pages of a hundred at most; on an event's occasion at more
                where the list is newer than the event.
            fresh_since: What was asked for before this is too old. By default ten seconds will do;
                in a handler, what was asked for since its event came.

        Raises:
            NotYetVisible: It is not among those, but the event that tells of it has just come.
            NotFound: It is not among those.
        """
        wanted = wanted_on(
            self._lookup.occasion, fresh_since, max_pages=max_pages, any_copy=True, oldest=since
        )
        found = self._lookup.shelf(_KIND, self._transport).find(order_id, _NEWEST_FIRST, wanted)
        if isinstance(found, Missing):
            self._lookup.raise_not_found(f"order {order_id!r}", found, _ENDPOINT)
        if since is not None and found.created_at < as_utc(since):
            missing = Missing(Reach.OLDEST, 0)
            self._lookup.raise_not_found(f"order {order_id!r}", missing, _ENDPOINT)
        return found

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
        changed = {ORDERS: [order_id]}
        if status == "cancelled":
            # Not documented: whether that puts its items back into stock.
            changed |= {INVENTORY: [], PRODUCTS: []}
        return self._transport.call(request, OrderUpdate, self._lookup.changing(changed))


def _list_request(
    page: int,
    limit: int = PAGE_SIZE,
    status: OrderStatus | None = None,
    channel: str | None = None,
    from_: date | str | None = None,
) -> Request:
    query = {
        "status": status,
        "channel": channel,
        "from": _day(from_),
        "page": page,
        "limit": limit,
    }
    return Request("GET", ("orders",), query=query)


_NEWEST_FIRST = Paged("", _list_request)


def _day(moment: date | str | None) -> str | None:
    if isinstance(moment, datetime):
        return as_utc(moment).date().isoformat()
    return moment.isoformat() if isinstance(moment, date) else moment
