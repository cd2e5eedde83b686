"""Low stock is moved to where it sells: away from the slowest channel, to the fastest."""

from typing import Any

from handlers import Context, InventoryEvent, Skip, on


@on("inventory.low", name="builtin.low-stock", enabled=False)
def reallocate(event: InventoryEvent, ctx: Context) -> str:
    """Give half of the slowest channel's allocation to the channel with most orders today."""
    sku = event.data.sku
    # Remembered: an attempt that is made again carries out the same plan, and moves nothing twice.
    plan = ctx.step("plan", lambda: _plan(ctx, sku), repeatable=True)
    if plan is None:
        raise Skip("no other channel has stock to give")
    ctx.api.inventory.allocate(sku, plan["allocations"])
    return f"moved {plan['moved']} x {sku} from {plan['from']} to {plan['to']}"


def _plan(ctx: Context, sku: str) -> dict[str, Any] | None:
    allocations = dict(ctx.api.inventory.get(sku).allocations)
    orders_today = {c.id: c.orders_today or 0 for c in ctx.api.channels.list()}
    by_speed = sorted(allocations, key=lambda channel: orders_today.get(channel, 0))
    givers = [channel for channel in by_speed[:-1] if allocations[channel] > 1]
    if not givers:
        return None
    slowest, fastest = givers[0], by_speed[-1]
    moved = allocations[slowest] // 2
    allocations[slowest] -= moved
    allocations[fastest] += moved
    return {"allocations": allocations, "moved": moved, "from": slowest, "to": fastest}
