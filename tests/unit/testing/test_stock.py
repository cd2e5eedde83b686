"""Stock arithmetic of the local EcomLinx."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.testing.shop.stock import apportion, reallocate, restock_days, stock_status

SHARES = st.dictionaries(st.sampled_from("amfs"), st.integers(0, 300), min_size=1)


def test_tells_the_documented_days_until_a_sku_is_sold_out() -> None:
    assert restock_days(143, 4.2) == 34


def test_tells_no_day_for_what_does_not_sell() -> None:
    assert restock_days(85, 0.0) is None


@pytest.mark.parametrize(
    ("stock", "velocity", "status"),
    [
        (143, 4.2, "healthy"),
        (59, 4.2, "healthy"),
        (58, 4.2, "low"),
        (30, 4.2, "low"),
        (29, 4.2, "critical"),
        (0, 4.2, "critical"),
        (0, 0.0, "critical"),
        (300, 0.02, "dead_stock"),
        (1, 0.0, "dead_stock"),
    ],
)
def test_tells_how_stock_stands(stock: int, velocity: float, status: str) -> None:
    assert stock_status(stock, velocity) == status


def test_divides_by_weight_with_the_rest_to_the_largest_remainders() -> None:
    assert apportion(10, {"a": 2, "f": 1, "m": 1}) == {"a": 5, "f": 3, "m": 2}


def test_divides_evenly_where_nothing_weighs() -> None:
    assert apportion(5, {"a": 0, "f": 0}) == {"a": 3, "f": 2}


@given(units=st.integers(0, 1000), weights=SHARES)
def test_divides_every_unit(units: int, weights: dict[str, int]) -> None:
    assert sum(apportion(units, weights).values()) == units


def test_shares_a_delivery_among_the_channels() -> None:
    shares = reallocate({"amazon_in": 60, "flipkart": 50, "shopify": 33}, 143, 160)

    assert shares == {"amazon_in": 67, "flipkart": 56, "shopify": 37}


def test_leaves_what_is_not_allocated_alone() -> None:
    assert reallocate({"amazon_in": 6, "flipkart": 4}, 30, 35) == {"amazon_in": 9, "flipkart": 6}


@given(shares=SHARES, unallocated=st.integers(0, 50), new_stock=st.integers(0, 2000))
def test_never_allocates_more_than_there_is(
    shares: dict[str, int], unallocated: int, new_stock: int
) -> None:
    stock = sum(shares.values()) + unallocated

    changed = reallocate(shares, stock, new_stock)

    assert changed.keys() == shares.keys()
    assert min(changed.values()) >= 0
    assert new_stock - sum(changed.values()) in range(min(unallocated, new_stock) + 1)
