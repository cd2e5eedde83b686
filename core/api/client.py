"""The EcomLinx API as one object."""

from collections.abc import Callable
from hashlib import blake2b
from types import TracebackType
from typing import Self

import httpx2
from pydantic import SecretStr

from core.api.book.local import LocalBook
from core.api.book.lookup import Lookup
from core.api.book.occasion import Occasion
from core.api.book.records import Book
from core.api.budget.waiting import LocalBudget
from core.api.calls import OnCall, Once
from core.api.channels import Channels
from core.api.gate import Gate, Priority
from core.api.inventory import Inventory
from core.api.limits import PLAN_LIMITS, Plan
from core.api.orders import Orders
from core.api.products import Products
from core.api.transport import Transport
from core.api.webhooks import Webhooks

_LIMITS = httpx2.Limits(
    max_connections=100,
    max_keepalive_connections=100,
    # Seconds; below the 5 s after which common servers close, so that no request meets a
    # connection that is just being closed and leaves its outcome unknown.
    keepalive_expiry=4,
)


class EcomLinx:
    """All documented calls of the EcomLinx API, over one pool of connections.

    Thread-safe. Create one in each process (after a fork, not before), and close it at the end::

        with EcomLinx(api_key) as api:
            print(api.inventory.get("BLUE-TEE-M").total_stock)

    Args:
        api_key: Sent as Bearer token, and written down nowhere.
        base_url: Where the API is.
        plan: What the key may do; with ``pro``, writes are refused before they are sent.
        timeout: Seconds within which a call ends, tries and waits included.
        on_call: Told of each HTTP exchange, tries included, in the thread that made it.
        transport: What sends requests; by default the network.
        gate: Where requests wait for their turn; by default this client keeps to the plan's limits
            by itself. `core.api.budget.shared.RedisBudget` is for a key that several processes use.
        book: What lists have answered lately; by default this client has one to itself.
            `core.api.book.shared.SharedBook` is for a key that several processes use.

    Raises:
        ValueError: The key, the URL, the plan or the timeout can't be used.
    """

    products: Products
    inventory: Inventory
    orders: Orders
    channels: Channels
    webhooks: Webhooks

    def __init__(
        self,
        api_key: SecretStr | str,
        base_url: str = "https://api.ecomlinx.com",
        *,
        plan: Plan = "scale",
        timeout: float = 10.0,
        on_call: OnCall | None = None,
        transport: httpx2.BaseTransport | None = None,
        gate: Gate | None = None,
        book: Book | None = None,
    ) -> None:
        if plan not in PLAN_LIMITS:
            raise ValueError("plan: must be 'scale' or 'pro'")
        if not timeout > 0:
            raise ValueError("timeout: must be more than 0 seconds")
        key = _usable_key(api_key)
        shared = Transport(
            client=_open_client(key, base_url, transport),
            read_only=plan == "pro",
            timeout=timeout,
            mask=lambda text: text.replace(key.get_secret_value(), "[secret]"),
            gate=gate or LocalBudget(plan),
            observers=(on_call,) if on_call else (),
        )
        self._attach(shared, Lookup(book or LocalBook(), _workspace(key, base_url)))

    def _attach(self, transport: Transport, lookup: Lookup) -> None:
        self._transport = transport
        self._lookup = lookup
        self.products = Products(transport, lookup)
        self.inventory = Inventory(transport, lookup)
        self.orders = Orders(transport, lookup)
        self.channels = Channels(transport)
        self.webhooks = Webhooks(transport)

    def observed_by(self, on_call: OnCall) -> "EcomLinx":
        """Return a view whose calls are told to `on_call` too.

        It costs next to nothing and shares the connections; closing it leaves them open.
        """
        return _View(self._transport.observed_by(on_call), self._lookup)

    def for_caller(self, identity: str, priority: Priority = Priority.HANDLERS) -> "EcomLinx":
        """Return a view whose requests wait for their turn as this caller's.

        Args:
            identity: Who calls, the same in each of its attempts, such as ``evt_1/ship``: so that
                who was told to come back later isn't sent to the end of the queue then.
            priority: Whom it must let go first.
        """
        return _View(self._transport.for_caller(identity, priority), self._lookup)

    def patient_until(self, deadline: Callable[[], float]) -> "EcomLinx":
        """Return a view whose calls wait, and are tried again, until then only.

        Args:
            deadline: When the caller's own time is over, by `time.monotonic`; asked each time.
        """
        return _View(self._transport.patient_until(deadline), self._lookup)

    @property
    def budget(self) -> Gate:
        """Where requests wait for their turn: ``api.budget.usage()`` tells how much is left."""
        return self._transport.gate

    def guarded_by(self, once: Once) -> "EcomLinx":
        """Return a view that leaves it to `once` to make certain calls once only.

        Those are `inventory.adjust`, `channels.sync`, `webhooks.register` and `orders.update`:
        what a caller that is begun anew after a crash must not do again.
        """
        return _View(self._transport.guarded_by(once), self._lookup)

    def for_event(self, occasion: Occasion) -> "EcomLinx":
        """Return a view whose calls are made on an event's occasion.

        `orders.get`, `inventory.get` and `products.by_sku` then take what was asked for since it
        came, and say `NotYetVisible` of what isn't there yet.
        """
        return _View(self._transport, self._lookup.on(occasion))

    def close(self) -> None:
        """Close all connections; no call is possible afterwards."""
        self._transport.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):
            # A traceback that shows local variables asks while the constructor refuses.
            return "EcomLinx(...)"
        plan = "pro" if self._transport.read_only else "scale"
        return f"EcomLinx({str(self._transport.client.base_url)!r}, plan={plan!r})"


class _View(EcomLinx):
    """Another's calls, observed or guarded."""

    def __init__(self, transport: Transport, lookup: Lookup) -> None:
        self._attach(transport, lookup)

    def close(self) -> None:
        """Do nothing: the connections are another's."""


def _usable_key(api_key: SecretStr | str) -> SecretStr:
    key = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key)
    if not _is_header_text(key):
        raise ValueError("api_key: must be printable ASCII characters without spaces")
    return key


def _is_header_text(key: SecretStr) -> bool:
    plain = key.get_secret_value()
    return bool(plain) and plain.isascii() and plain.isprintable() and " " not in plain


def _workspace(key: SecretStr, base_url: str) -> str:
    """A name for what belongs to this key; the key can't be told from it."""
    secret = key.get_secret_value().encode()
    return blake2b(base_url.rstrip("/").encode(), key=secret[-64:], digest_size=8).hexdigest()


def _open_client(
    key: SecretStr, base_url: str, transport: httpx2.BaseTransport | None
) -> httpx2.Client:
    client = httpx2.Client(
        base_url=_usable_url(base_url),
        headers={"Accept": "application/json", "User-Agent": "ecomlinx-hooks"},
        follow_redirects=False,
        limits=_LIMITS,
        transport=transport,
    )
    client.headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    return client


def _usable_url(base_url: str) -> httpx2.URL:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ValueError(f"base_url: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("base_url: must be an http:// or https:// URL")
    if url.userinfo:
        raise ValueError("base_url: must not hold a name or a password")
    return url
