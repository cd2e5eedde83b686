"""What EcomLinx answers, typed.

Fields are as EcomLinx documents them; those it doesn't document are kept and can be read as
attributes too. Times are aware UTC. A field without which the record would be of no use is
required; the others are None, or empty, when missing or null.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StrictBool

from core.events import parse_time

#: Keeps ``1e999999999`` from being written out.
_COUNT_MAX_DIGITS = 18


def _number(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError("must be a number")


def _whole_number(value: object) -> int:
    number = _number(value)
    if number.adjusted() > _COUNT_MAX_DIGITS or number != number.to_integral_value():
        raise ValueError("must be a whole number")
    return int(number)


def _time(value: object) -> datetime:
    moment = parse_time(value)
    if moment is None:
        raise ValueError("must be an ISO 8601 time")
    return moment


def _list(value: object) -> object:
    return () if value is None else value


def _by_name(value: object) -> object:
    return {} if value is None else value


#: An exact amount, in INR or the currency of the account.
Money = Annotated[Decimal, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_whole_number)]
Measure = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Time = Annotated[datetime, BeforeValidator(_time)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]
#: Units by channel id.
Units = Annotated[Mapping[str, Count], BeforeValidator(_by_name)]


class Record(BaseModel):
    """An object in an answer. It doesn't change; fields that we don't know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Identified(Record):
    """A record that is told apart by its id."""

    id: str


E = TypeVar("E", bound=Identified)
T = TypeVar("T", bound=Record)


class Meta(Record):
    """Where a page stands. `total` counts all entries and may change between pages."""

    total: Count
    page: Count
    limit: Count


class Page(Record, Generic[E]):
    """One page of a list."""

    data: tuple[E, ...]
    meta: Meta


class Listing(Record, Generic[T]):
    """A list that EcomLinx does not page."""

    data: tuple[T, ...]


class Product(Identified):
    """A product as it stands in the list."""

    sku: str
    name: str
    status: str
    price: Money
    stock: Count
    health_score: Measure | None = None
    channels: Texts = ()
    updated_at: Time | None = None


class ChannelStatus(Record):
    """A product's listing on one channel."""

    status: str
    listing_id: str | None = None
    reason: str | None = None


class ProductDetail(Identified):
    """A product with its listings; `channel_statuses` is by channel id."""

    sku: str
    name: str
    price: Money
    stock: Count
    category: str | None = None
    cogs: Money | None = None
    health_score: Measure | None = None
    channel_statuses: Annotated[Mapping[str, ChannelStatus], BeforeValidator(_by_name)] = Field(
        default_factory=dict
    )
    images: Texts = ()
    updated_at: Time | None = None


class ProductUpdate(Identified):
    """A product after an update."""

    name: str
    price: Money
    stock: Count
    updated_at: Time | None = None


class InventoryItem(Record):
    """A SKU's stock; `allocations` is by channel id.

    Not documented: units. We assume `velocity` in units sold a day and `restock_days` in days.
    """

    sku: str
    total_stock: Count
    status: str
    velocity: Measure | None = None
    restock_days: Measure | None = None
    allocations: Units = Field(default_factory=dict)


class InventorySummary(Record):
    """The stock as a whole."""

    total_units: Count
    critical_skus: Count
    out_of_stock: Count


class InventoryList(Record):
    """The stock of all SKUs that a filter leaves."""

    data: tuple[InventoryItem, ...]
    summary: InventorySummary


class StockUpdate(Record):
    """A SKU's stock after an update."""

    sku: str
    total_stock: Count
    allocations: Units = Field(default_factory=dict)
    updated_at: Time | None = None


class Customer(Record):
    """Who ordered."""

    name: str | None = None
    city: str | None = None


class OrderItem(Record):
    """One line of an order; `price` is of one piece, we assume."""

    sku: str
    qty: Count
    price: Money


class Order(Identified):
    """An order of any channel; `awb` is its tracking number."""

    channel: str
    status: str
    total: Money
    created_at: Time
    channel_order_id: str | None = None
    customer: Customer | None = None
    items: Annotated[tuple[OrderItem, ...], BeforeValidator(_list)] = ()
    awb: str | None = None
    sla_deadline: Time | None = None


class OrderUpdate(Identified):
    """An order after an update."""

    status: str
    awb: str | None = None
    courier: str | None = None
    updated_at: Time | None = None


class Channel(Identified):
    """A connected channel."""

    name: str
    status: str
    last_synced: Time | None = None
    orders_today: Count | None = None
    active_listings: Count | None = None


class SyncJob(Record):
    """A sync that was asked for. EcomLinx documents no call that polls it."""

    sync_id: str
    channel: str
    status: str
    estimated_seconds: Measure | None = None
    created_at: Time | None = None


class Webhook(Identified):
    """A registered endpoint; `secret` stands only in the answer to `register`."""

    url: str
    events: tuple[str, ...]
    status: str
    secret: SecretStr | None = None
    created_at: Time | None = None


class DeletedWebhook(Identified):
    """A webhook that is no more."""

    deleted: StrictBool
