"""What is in the shop before anything happens."""

from handlers.testing import ManualClock, OrderStatus, ProductStatus, Shop, StockStatus


def test_sells_about_forty_products_on_four_channels(shop: Shop) -> None:
    products = shop.products.all()

    assert 38 <= len(products) <= 45
    assert len({product.sku for product in products}) == len(products)
    assert {c for product in products for c in product.listings} == {
        "amazon_in",
        "flipkart",
        "meesho",
        "shopify",
    }
    assert all(0 < product.cogs < product.price for product in products)


def test_has_products_and_stock_of_every_status(shop: Shop) -> None:
    products = shop.products.all()

    assert {product.status for product in products} == set(ProductStatus)
    assert {product.stock_status for product in products} == set(StockStatus)


def test_allocates_all_stock(shop: Shop) -> None:
    assert all(sum(p.allocations.values()) == p.stock for p in shop.products.all())


def test_has_weeks_of_orders_of_every_status_in_their_order(shop: Shop, clock: ManualClock) -> None:
    orders = list(shop.orders.newest_first())
    times = [order.created_at for order in orders]

    assert {order.status for order in orders} == set(OrderStatus)
    assert times == sorted(times, reverse=True)
    assert (clock() - times[-1]).days == 20
    assert max(order.updated_at for order in orders) <= clock()


def test_has_no_orders_without_a_history(clock: ManualClock) -> None:
    assert len(Shop(now=clock, history_days=0).orders) == 0


def test_knows_what_the_documentation_shows(shop: Shop) -> None:
    tee = shop.products.get("prod_01HX4")

    assert (tee.sku, tee.price, tee.cogs, tee.stock, tee.velocity) == (
        *("BLUE-TEE-M", 899, 280, 143, 4.2),
    )
    assert tee.allocations == {"amazon_in": 60, "flipkart": 50, "shopify": 33}
    assert shop.orders.get("ord_8FZ2K").customer.name == "Priya Sharma"


def test_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    def ids(seed: int) -> list[str]:
        shop = Shop(now=ManualClock(), seed=seed)
        return [order.id for order in shop.orders.newest_first()]

    assert ids(3) == ids(3)
    assert ids(3) != ids(4)
