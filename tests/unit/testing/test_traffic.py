"""The traffic of the local EcomLinx, without waiting for it."""

from collections import Counter

import pytest

from core.events import EVENT_TYPES
from handlers.testing import ManualClock, Shop, ShopEvent
from handlers.testing.traffic import Traffic

SECONDS_A_STEP = 2


def run(traffic: Traffic, shop: Shop, clock: ManualClock, steps: int) -> None:
    for _ in range(steps):
        clock.advance(SECONDS_A_STEP)
        traffic.step()
        shop.finish_due_syncs()


@pytest.mark.parametrize("seed", range(5))
def test_shows_all_nine_events_among_the_first_thirty(clock: ManualClock, seed: int) -> None:
    shop = Shop(now=clock, seed=seed)
    heard: list[ShopEvent] = []
    shop.listen(heard.append)

    run(Traffic(shop), shop, clock, 30)

    counts = Counter(event.name for event in heard[:30])
    assert counts.keys() == set(EVENT_TYPES)
    assert counts.most_common(1)[0][0] == "order.new"


def test_causes_about_one_event_a_step(
    shop: Shop, clock: ManualClock, heard: list[ShopEvent]
) -> None:
    run(Traffic(shop), shop, clock, 1000)

    assert 900 < len(heard) < 1300


def test_tells_only_what_agrees_with_the_shop(
    shop: Shop, clock: ManualClock, heard: list[ShopEvent]
) -> None:
    run(Traffic(shop), shop, clock, 1000)

    known = {order.id: order for order in shop.orders.newest_first()}
    for event in heard:
        if event.name.startswith("order."):
            order = known[str(event.data["id"])]
            assert (event.data["channel"], event.data["total"]) == (order.channel, order.total)
        if event.name == "return.received":
            returned = known[str(event.data["order_id"])]
            assert returned.status == "return"
            assert event.data["sku"] in returned.quantities


def test_never_sells_what_is_not_there(shop: Shop, clock: ManualClock) -> None:
    traffic = Traffic(shop)
    for _ in range(1000):
        run(traffic, shop, clock, 1)
        for product in shop.products.all():
            assert min(product.allocations.values()) >= 0
            assert sum(product.allocations.values()) <= product.stock


def test_goes_on_for_hours_with_every_kind_of_event(
    shop: Shop, clock: ManualClock, heard: list[ShopEvent]
) -> None:
    run(Traffic(shop), shop, clock, 3000)

    late = Counter(event.name for event in heard[-1000:])
    assert late.keys() == set(EVENT_TYPES)
    assert late["order.new"] > 300
    assert sum(product.stock for product in shop.products.all()) > 2000


def test_gives_a_channel_that_has_sold_out_its_share_again(shop: Shop, clock: ManualClock) -> None:
    diyas = shop.products.by_sku("DIYA-12PK")
    shop.place_order("shopify", {diyas.sku: diyas.allocations["shopify"]})

    run(Traffic(shop), shop, clock, 300)

    assert diyas.allocations["shopify"] > 0


def test_waits_while_every_channel_is_down(
    shop: Shop, clock: ManualClock, heard: list[ShopEvent]
) -> None:
    for channel in shop.channels.all():
        shop.fail_channel(channel.id)
    heard.clear()

    run(Traffic(shop), shop, clock, 3)

    assert "order.new" not in {event.name for event in heard}
