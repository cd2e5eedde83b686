"""When the whole catalogue is looked at instead of one product."""

from core.api.book.demand import Demand


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_many_different_skus_in_a_minute_are_a_broad_demand() -> None:
    demand = Demand(Clock())

    assert [demand.is_broad(f"SKU-{n}") for n in range(6)] == [False] * 4 + [True] * 2


def test_one_sku_is_no_broad_demand_however_often_it_is_wanted() -> None:
    demand = Demand(Clock())

    assert not any(demand.is_broad("SKU") for _ in range(100))


def test_skus_that_are_wanted_now_and_then_are_no_broad_demand() -> None:
    clock = Clock()
    demand = Demand(clock)
    for number in range(200):
        clock.now += 20
        assert not demand.is_broad(f"SKU-{number}")


def test_a_catalogue_that_is_large_is_left_alone_for_an_hour() -> None:
    clock = Clock()
    demand = Demand(clock)
    demand.note_large_catalogue()

    assert not any(demand.is_broad(f"SKU-{n}") for n in range(10))
    clock.now += 3600
    assert [demand.is_broad(f"SKU-{n}") for n in range(10)][-1]
