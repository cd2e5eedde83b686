"""Low stock is moved to where it sells: away from the slowest channel, to the fastest."""

from handlers import Context, InventoryEvent, Skip, on


@on("inventory.low", name="builtin.low-stock", enabled=False)
def reallocate(event: InventoryEvent, ctx: Context) -> str:
    """Give half of the slowest channel's allocation to the channel with most orders today."""
    sku = event.data.sku
    allocations = dict(ctx.api.inventory.get(sku).allocations)
    orders_today = {c.id: c.orders_today or 0 for c in ctx.api.channels.list()}
    by_speed = sorted(allocations, key=lambda channel: orders_today.get(channel, 0))
    givers = [channel for channel in by_speed[:-1] if allocations[channel] > 1]
    if not givers:
        raise Skip("no other channel has stock to give")
    slowest, fastest = givers[0], by_speed[-1]
    moved = allocations[slowest] // 2
    allocations[slowest] -= moved
    allocations[fastest] += moved
    # Absolute numbers: should this be repeated, nothing moves twice.
    ctx.step("allocate", lambda: ctx.api.inventory.allocate(sku, allocations), repeatable=True)
    return f"moved {moved} x {sku} from {slowest} to {fastest}"
