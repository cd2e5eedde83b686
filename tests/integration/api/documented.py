"""EcomLinx's documentation as a table: each call, what it takes, what it shows, what it refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.api import EcomLinx
from tests.integration.api import examples

PRODUCT = "prod_01HX4"
SKU = "BLUE-TEE-M"
ORDER = "ord_8FZ2K"
CHANNEL = "amazon_in"

#: Of a webhook that is registered beforehand.
URL = "https://yourapp.com/hooks/ecomlinx"
OTHER_URL = "https://yourapp.com/hooks/other"

CallIt = Callable[[EcomLinx], object]


@dataclass(frozen=True, slots=True)
class Documented:
    """One call.

    Attributes:
        method: The HTTP method.
        path: The path, with ``{id}`` or ``{sku}`` for what it is about.
        parameters: What it takes, in its query or its body.
        make: Makes it in each of the ways that the client has, so that each parameter is sent. The
            last request of each is the call; the local EcomLinx has what it is about.
        example: The answer that the documentation shows.
        refused: By a documented code, a call that an EcomLinx in its right mind refuses so.
    """

    method: str
    path: str
    parameters: frozenset[str]
    make: tuple[CallIt, ...]
    example: Mapping[str, Any]
    refused: Mapping[str, CallIt]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def alone(self, api: EcomLinx) -> object:
        """Make the call once, and none before it."""
        if self.method == "DELETE":
            return api.webhooks.delete("wh_7KL3M")
        return self.make[0](api)

    @property
    def is_write(self) -> bool:
        """Whether it needs the Scale plan."""
        return self.method != "GET"


def _webhook(api: EcomLinx) -> str:
    return api.webhooks.list()[0].id


CALLS = (
    Documented(
        "GET",
        "/v1/products",
        frozenset({"page", "limit", "channel", "status", "q"}),
        (lambda api: api.products.list(1, 20, CHANNEL, "live", "tee"),),
        examples.PRODUCTS,
        {"bad_request": lambda api: api.products.list(limit=101)},
    ),
    Documented(
        "GET",
        "/v1/products/{id}",
        frozenset(),
        (lambda api: api.products.get(PRODUCT),),
        examples.PRODUCT_DETAIL,
        {"not_found": lambda api: api.products.get("prod_x")},
    ),
    Documented(
        "PATCH",
        "/v1/products/{id}",
        frozenset({"name", "price", "stock", "status"}),
        (lambda api: api.products.update(PRODUCT, name="Tee", price=9, stock=150, status="draft"),),
        examples.PRODUCT_UPDATE,
        {
            "bad_request": lambda api: api.products.update(PRODUCT, price=-1),
            "not_found": lambda api: api.products.update("prod_x", price=1),
        },
    ),
    Documented(
        "GET",
        "/v1/inventory",
        frozenset({"status", "channel"}),
        (lambda api: api.inventory.list("healthy", CHANNEL),),
        examples.INVENTORY,
        {"bad_request": lambda api: api.inventory.list(status="fine")},  # type: ignore[arg-type]
    ),
    Documented(
        "PATCH",
        "/v1/inventory/{sku}",
        frozenset({"quantity", "adjust", "allocations"}),
        (
            lambda api: api.inventory.set(SKU, 160),
            lambda api: api.inventory.adjust(SKU, 17),
            lambda api: api.inventory.allocate(SKU, {CHANNEL: 60}),
        ),
        examples.STOCK_UPDATE,
        {
            "bad_request": lambda api: api.inventory.set(SKU, -1),
            "not_found": lambda api: api.inventory.set("NO-SUCH-SKU", 1),
            "conflict": lambda api: api.inventory.adjust(SKU, -1_000_000),
        },
    ),
    Documented(
        "GET",
        "/v1/orders",
        frozenset({"status", "channel", "from", "page", "limit"}),
        (lambda api: api.orders.list(1, 20, "processing", CHANNEL, "2020-01-01"),),
        examples.ORDERS,
        {"bad_request": lambda api: api.orders.list(from_="last week")},
    ),
    Documented(
        "PATCH",
        "/v1/orders/{id}",
        frozenset({"status", "awb", "courier"}),
        (lambda api: api.orders.update(ORDER, "shipped", awb="1612", courier="Delhivery"),),
        examples.ORDER_UPDATE,
        {
            "bad_request": lambda api: api.orders.update(ORDER, "return"),  # type: ignore[arg-type]
            "not_found": lambda api: api.orders.update("ord_x", "shipped"),
            "conflict": lambda api: (
                api.orders.update(ORDER, "cancelled"),
                api.orders.update(ORDER, "shipped"),
            ),
        },
    ),
    Documented(
        "GET",
        "/v1/channels",
        frozenset(),
        (lambda api: api.channels.list(),),
        examples.CHANNELS,
        {},
    ),
    Documented(
        "POST",
        "/v1/channels/{id}/sync",
        frozenset(),
        (lambda api: api.channels.sync(CHANNEL),),
        examples.SYNC_JOB,
        {"not_found": lambda api: api.channels.sync("nowhere")},
    ),
    Documented(
        "GET",
        "/v1/webhooks",
        frozenset(),
        (lambda api: api.webhooks.list(),),
        examples.WEBHOOKS,
        {},
    ),
    Documented(
        "POST",
        "/v1/webhooks",
        frozenset({"url", "events", "secret"}),
        (lambda api: api.webhooks.register(OTHER_URL, ["order.new"], "test-webhook-secret"),),
        examples.REGISTERED,
        {
            "bad_request": lambda api: api.webhooks.register("http://yourapp.com", ["order.new"]),
            "conflict": lambda api: api.webhooks.register(URL, ["order.new"]),
        },
    ),
    Documented(
        "DELETE",
        "/v1/webhooks/{id}",
        frozenset(),
        (lambda api: api.webhooks.delete(_webhook(api)),),
        examples.DELETED,
        {"not_found": lambda api: api.webhooks.delete("wh_x")},
    ),
)
