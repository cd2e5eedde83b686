"""What goes on between calls: deliveries, syncs, traffic."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from handlers.testing.deliveries import DeliveryLog, Postman
from handlers.testing.shop.shop import Shop
from handlers.testing.traffic import Traffic, run_traffic

#: How often syncs are looked at, in seconds.
_TICK_SECONDS = 0.05


@asynccontextmanager
async def run_in_background(
    shop: Shop, log: DeliveryLog, traffic_rate: float
) -> AsyncIterator[None]:
    """Keep a shop going, as long as the block lasts; what is under way at its end is dropped.

    Args:
        shop: The shop.
        log: Where deliveries are recorded.
        traffic_rate: Events a second; 0 for no traffic.
    """
    async with Postman(shop, log):
        tasks = [asyncio.create_task(_finish_syncs(shop))]
        if traffic_rate > 0:
            tasks.append(asyncio.create_task(run_traffic(Traffic(shop), traffic_rate)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _finish_syncs(shop: Shop) -> None:
    while True:
        shop.finish_due_syncs()
        await asyncio.sleep(_TICK_SECONDS)
