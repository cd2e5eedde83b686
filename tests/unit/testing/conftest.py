"""A shop whose events are heard and whose clock stands still."""

import pytest

from handlers.testing import ManualClock, Shop, ShopEvent


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shop(clock: ManualClock) -> Shop:
    return Shop(now=clock)


@pytest.fixture
def heard(shop: Shop) -> list[ShopEvent]:
    """What the shop has told so far."""
    events: list[ShopEvent] = []
    shop.listen(events.append)
    return events
