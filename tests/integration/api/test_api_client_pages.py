"""Walking the pages of a list that may change meanwhile."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from core.api import EcomLinx, NotFound, UnexpectedResponse
from tests.integration.api import examples
from tests.support.scripted_api import Reply, ScriptedApi, json_reply


def order_ids(first: int, last: int) -> list[str]:
    return [f"ord_{number}" for number in range(first, last - 1, -1)]


def page_of(entry: dict[str, Any], ids: Sequence[str], total: int) -> Reply:
    data = [{**entry, "id": each} for each in ids]
    return json_reply({"data": data, "meta": {"total": total, "page": 1, "limit": 100}})


def orders(ids: Sequence[str], total: int) -> Reply:
    return page_of(examples.ORDER, ids, total)


def test_products_are_walked_to_the_last_page_with_the_same_filters(
    api: EcomLinx, server: ScriptedApi
) -> None:
    ids = [f"prod_{number}" for number in range(230)]
    server.answers(*[page_of(examples.PRODUCT, ids[n : n + 100], 230) for n in (0, 100, 200)])

    walked = [product.id for product in api.products.iterate("amazon_in", "live", "tee")]

    assert walked == ids
    assert server.asked == [
        f"GET /v1/products?page={n}&limit=100&channel=amazon_in&status=live&q=tee"
        for n in (1, 2, 3)
    ]


def test_orders_are_walked_with_the_same_filters(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(orders(order_ids(130, 31), 130), orders(order_ids(30, 1), 130))

    walked = [order.id for order in api.orders.iterate("new", "flipkart", "2026-04-01")]

    assert walked == order_ids(130, 1)
    assert server.asked == [
        f"GET /v1/orders?status=new&channel=flipkart&from=2026-04-01&page={n}&limit=100"
        for n in (1, 2)
    ]


def test_a_page_is_asked_for_when_it_is_needed(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(orders(order_ids(300, 201), 300))

    walk = api.orders.iterate()
    assert server.asked == []

    assert [next(walk).id for _ in range(100)] == order_ids(300, 201)
    assert len(server.asked) == 1


def test_orders_that_arrive_while_walking_make_no_double(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(
        orders(order_ids(150, 51), 150),
        orders(order_ids(60, 1), 160),
        orders([], 160),
    )

    assert [order.id for order in api.orders.iterate()] == order_ids(150, 1)


def test_a_burst_of_a_whole_page_while_walking_does_not_end_the_walk(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(
        orders(order_ids(150, 51), 150),
        orders(order_ids(150, 51), 250),
        orders(order_ids(50, 1), 250),
        orders([], 250),
    )

    assert [order.id for order in api.orders.iterate()] == order_ids(150, 1)


@pytest.mark.parametrize("total", [0, 100, 1000])
def test_a_total_that_lags_neither_ends_the_walk_nor_keeps_it_going(
    api: EcomLinx, server: ScriptedApi, total: int
) -> None:
    server.answers(
        orders(order_ids(120, 21), total), orders(order_ids(20, 1), total), orders([], total)
    )

    assert [order.id for order in api.orders.iterate()] == order_ids(120, 1)


def test_an_api_that_answers_with_the_last_page_for_ever_is_walked_once(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(*[orders(order_ids(100, 1), 100)] * 2)

    assert [order.id for order in api.orders.iterate()] == order_ids(100, 1)
    assert len(server.asked) == 2


def test_an_api_that_ignores_the_page_is_told_instead_of_asked_for_ever(
    api: EcomLinx, server: ScriptedApi
) -> None:
    server.answers(*[orders(order_ids(500, 401), 500)] * 9)

    with pytest.raises(UnexpectedResponse, match="pages repeat after 100 of 500 entries"):
        list(api.orders.iterate())

    assert len(server.asked) == 4


def test_an_order_is_found_without_reading_on(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(orders(order_ids(300, 201), 300), orders(order_ids(200, 101), 300))

    assert api.orders.get("ord_150").id == "ord_150"
    assert server.asked == [f"GET /v1/orders?page={n}&limit=100" for n in (1, 2)]


def test_an_order_that_is_nowhere_is_not_found(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(orders(order_ids(30, 1), 30))

    with pytest.raises(NotFound, match="'ord_x' is not in the list") as caught:
        api.orders.get("ord_x")

    assert caught.value.status == 404
    assert len(server.asked) == 1


def test_an_order_is_looked_for_on_so_many_pages_only(api: EcomLinx, server: ScriptedApi) -> None:
    server.answers(*[orders(order_ids(900 - n, 801 - n), 900) for n in (0, 100)])

    with pytest.raises(NotFound, match="2 pages were looked at, and there are more"):
        api.orders.get("ord_1", max_pages=2)

    assert len(server.asked) == 2


def dated(day_of_april: int, order_id: str) -> dict[str, Any]:
    return {
        **examples.ORDER,
        "id": order_id,
        "created_at": f"2026-04-{day_of_april:02}T00:00:00Z",
    }


@pytest.mark.parametrize("since", [datetime(2026, 4, 10, tzinfo=UTC), datetime(2026, 4, 10)])  # noqa: DTZ001
def test_an_order_is_not_looked_for_among_older_ones(
    api: EcomLinx, server: ScriptedApi, since: datetime
) -> None:
    page = [dated(20, f"ord_{n}") for n in range(98)]
    page += [dated(10, "ord_edge"), dated(9, "ord_old")]
    first = json_reply({"data": page, "meta": {"total": 300, "page": 1, "limit": 100}})
    server.answers(first, first)

    with pytest.raises(NotFound):
        api.orders.get("ord_old", since=since)
    assert len(server.asked) == 1

    assert api.orders.get("ord_edge", since=since).id == "ord_edge"


def test_a_large_catalogue_is_begun_once_and_then_searched(
    api: EcomLinx, server: ScriptedApi
) -> None:
    def sku(number: int) -> Reply:
        product = {**examples.PRODUCT, "id": f"prod_{number}", "sku": f"SKU-{number}"}
        return json_reply({"data": [product], "meta": {"total": 1, "page": 1, "limit": 100}})

    others = [f"prod_other_{number}" for number in range(500)]
    catalogue = [page_of(examples.PRODUCT, others[n : n + 100], 9000) for n in range(0, 500, 100)]
    server.answers(*[sku(n) for n in range(4)], *catalogue, *[sku(n) for n in range(4, 8)])

    found = [api.products.by_sku(f"SKU-{number}").id for number in range(8)]

    assert found == [f"prod_{number}" for number in range(8)]
    assert [n for n, asked in enumerate(server.asked) if "q=" not in asked] == [4, 5, 6, 7, 8]
