"""The things in a shop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from handlers.testing.shop.stock import StockStatus, reorder_point, restock_days, stock_status

#: INR.
Money = int | float


class ProductStatus(StrEnum):
    """How a product stands. `suppressed` is never set: it follows from the listings."""

    LIVE = "live"
    SUPPRESSED = "suppressed"
    DRAFT = "draft"
    INACTIVE = "inactive"


class OrderStatus(StrEnum):
    """How far an order is."""

    NEW = "new"
    PROCESSING = "processing"
    READY = "ready"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURN = "return"


class ChannelStatus(StrEnum):
    """Whether a channel's connection works. Only `active` is documented."""

    ACTIVE = "active"
    ERROR = "error"


class Grade(StrEnum):
    """What a returned piece is worth. Not documented: the words are ours."""

    RESELLABLE = "resellable"
    DAMAGED = "damaged"
    DEFECTIVE = "defective"


@dataclass(slots=True)
class Listing:
    """A product on one channel; `suppressed` is the channel's reason, None while it is shown."""

    listing_id: str
    suppressed: str | None = None


@dataclass(slots=True, eq=False)
class Product:
    """A product with its stock: `stock` of a product is `total_stock` of its SKU.

    Attributes:
        chosen_status: What the merchant wants it to be.
        velocity: Units sold a day.
        allocations: Units for each channel; they never add up to more than `stock`.
        listings: By channel.
    """

    id: str
    sku: str
    name: str
    category: str
    price: Money
    cogs: Money
    stock: int
    velocity: float
    health_score: int
    allocations: dict[str, int]
    listings: dict[str, Listing]
    updated_at: datetime
    chosen_status: ProductStatus = ProductStatus.LIVE

    @property
    def status(self) -> ProductStatus:
        """How it stands. Not documented: suppressed means that no channel shows it."""
        if self.chosen_status is not ProductStatus.LIVE or self.live_channels:
            return self.chosen_status
        return ProductStatus.SUPPRESSED

    @property
    def live_channels(self) -> list[str]:
        """The channels that show it."""
        return [channel for channel in self.listings if self.listing_status(channel) == "live"]

    def listing_status(self, channel: str) -> ProductStatus:
        """How it stands on one channel."""
        is_suppressed = self.listings[channel].suppressed is not None
        return ProductStatus.SUPPRESSED if is_suppressed else self.chosen_status

    @property
    def stock_status(self) -> StockStatus:
        """How its stock stands."""
        return stock_status(self.stock, self.velocity)

    @property
    def reorder_point(self) -> int:
        """The stock below which it is low."""
        return reorder_point(self.velocity)

    @property
    def restock_days(self) -> int | None:
        """After how many days it is sold out; None where it doesn't sell."""
        return restock_days(self.stock, self.velocity)


@dataclass(frozen=True, slots=True)
class Customer:
    """Who ordered."""

    name: str
    city: str


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order; `price` is of one piece."""

    sku: str
    qty: int
    price: Money


@dataclass(slots=True, eq=False)
class Order:
    """An order; `returned` counts the pieces of each SKU that came back."""

    id: str
    channel: str
    channel_order_id: str
    customer: Customer
    items: tuple[OrderItem, ...]
    status: OrderStatus
    created_at: datetime
    updated_at: datetime
    sla_deadline: datetime
    awb: str | None = None
    courier: str | None = None
    returned: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> Money:
        """What the customer pays, in INR."""
        return round(sum(item.price * item.qty for item in self.items), 2)

    @property
    def quantities(self) -> Mapping[str, int]:
        """Pieces by SKU."""
        return {item.sku: item.qty for item in self.items}


@dataclass(slots=True, eq=False)
class Channel:
    """A connected marketplace or shop."""

    id: str
    name: str
    last_synced: datetime
    status: ChannelStatus = ChannelStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class SyncJob:
    """A sync that is under way; `ends_at` is when it will be finished."""

    id: str
    channel: str
    estimated_seconds: int
    created_at: datetime
    ends_at: datetime


@dataclass(slots=True, eq=False)
class Webhook:
    """A registered endpoint; only `active` ones are told of events."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: str = field(repr=False)
    created_at: datetime
    status: str = "active"
