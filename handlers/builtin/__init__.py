"""Our own handlers, one a family: useful as they are, and the examples that authors read first.

All but `alerts` are off; `HANDLERS_ENABLED=builtin.*` switches them on.
"""

from handlers.builtin import (
    alerts,
    cancelled_orders,
    failing_channels,
    finished_syncs,
    low_stock,
    new_orders,
    out_of_stock,
    returns,
    suppressed_listings,
)

__all__ = [
    "alerts",
    "cancelled_orders",
    "failing_channels",
    "finished_syncs",
    "low_stock",
    "new_orders",
    "out_of_stock",
    "returns",
    "suppressed_listings",
]
