"""Stock arithmetic: how units are shared among channels, and when stock is low."""

import math
from collections.abc import Mapping
from enum import StrEnum

#: The reorder point covers so many days of sales.
REORDER_DAYS = 14

#: Stock that lasts fewer days is critical.
CRITICAL_DAYS = 7

#: Units a day below which stock is dead.
DEAD_VELOCITY = 0.05


class StockStatus(StrEnum):
    """How a SKU's stock stands, in EcomLinx's words."""

    CRITICAL = "critical"
    LOW = "low"
    HEALTHY = "healthy"
    DEAD_STOCK = "dead_stock"


def reorder_point(velocity: float) -> int:
    """Return the stock below which a SKU is low; `velocity` is in units a day."""
    return math.ceil(velocity * REORDER_DAYS)


def restock_days(stock: int, velocity: float) -> int | None:
    """Return after how many days the stock is sold out; None where nothing sells.

    The documented example is 143 units at 4.2 a day: 34 days.
    """
    return math.floor(stock / velocity) if velocity > 0 else None


def stock_status(stock: int, velocity: float) -> StockStatus:
    """Tell how stock stands. Not documented: the limits are ours."""
    if stock == 0:
        return StockStatus.CRITICAL
    if velocity < DEAD_VELOCITY:
        return StockStatus.DEAD_STOCK
    if stock < velocity * CRITICAL_DAYS:
        return StockStatus.CRITICAL
    return StockStatus.LOW if stock < reorder_point(velocity) else StockStatus.HEALTHY


def apportion(units: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide whole units by weight, the largest remainders first; all alike if no weight is set."""
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    whole = sum(weights.values())
    shares = {name: units * weight // whole for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: -(units * weights[name] % whole))
    for name in by_remainder[: units - sum(shares.values())]:
        shares[name] += 1
    return shares


def reallocate(allocations: Mapping[str, int], stock: int, new_stock: int) -> dict[str, int]:
    """Return the allocations after a change of the total stock.

    Not documented, but in the documented examples the allocations add up to the stock before and
    after a change. So the channels share a change in proportion to what they have, and what was
    not allocated stays so as far as there is enough.
    """
    allocated = sum(allocations.values())
    target = min(max(allocated + new_stock - stock, 0), new_stock)
    shares = apportion(abs(target - allocated), allocations)
    sign = 1 if target > allocated else -1
    return {channel: units + sign * shares[channel] for channel, units in allocations.items()}
