"""What is made of a burst's ending."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from core.ledger.models import DeliveryStatus
from handlers.testing import Plan
from handlers.testing.api.limits import PLAN_WINDOWS
from tests.bench import allowance, api
from tests.bench.burst import Ending, Story
from tests.bench.order_api import Afterwards, Call, Sold

WINDOWS = PLAN_WINDOWS[Plan.SCALE]

SUCCEEDED, UNCERTAIN, DEAD = (
    Ending(status, 1.0)
    for status in (DeliveryStatus.SUCCEEDED, DeliveryStatus.UNCERTAIN, DeliveryStatus.DEAD)
)


def story(
    endings: Mapping[str, Ending], missing: int, calls: tuple[Call, ...] = (), injected: int = 0
) -> Story:
    """Orders of two pieces each; those whose handler has succeeded have been taken on."""
    accepted = [order for order, ending in endings.items() if ending is SUCCEEDED]
    return Story(
        [Sold(order, "{}", {"TEE": 2}) for order in endings],
        endings,
        Afterwards(calls, {"TEE": missing, "CAP": 0}, accepted, injected),
    )


@pytest.mark.parametrize(("missing", "amiss"), [(2, 2), (3, 1), (4, 0), (6, 0), (7, 1), (8, 2)])
def test_what_is_in_doubt_may_be_adjusted_or_not_and_nothing_else(missing: int, amiss: int) -> None:
    found = story({"a": SUCCEEDED, "b": SUCCEEDED, "c": UNCERTAIN}, missing)
    assert found.adjusted_amiss == amiss


def test_an_order_that_is_neither_done_nor_told_of_is_lost() -> None:
    found = story({"a": SUCCEEDED, "b": UNCERTAIN, "c": DEAD}, 2)
    assert (found.done, len(found.in_doubt), found.lost) == (1, 1, 1)


def test_an_order_that_the_ledger_has_and_ecomlinx_has_not_is_lost() -> None:
    found = story({"a": SUCCEEDED}, 2)
    assert replace(found, api=replace(found.api, accepted=[])).lost == 1


def test_what_was_refused_for_other_reasons_than_the_limits_is_not_counted() -> None:
    calls = (Call("PATCH", "/v1/orders/a", 429, 1.0), Call("PATCH", "/v1/orders/a", 429, 2.0))
    assert story({"a": SUCCEEDED}, 2, calls, injected=1).api.refused == 1


def test_a_change_that_is_made_again_is_counted() -> None:
    calls = tuple(
        Call(method, f"/v1/orders/{order}", status, 1.0)
        for method, order, status in (
            ("PATCH", "a", 500),
            ("PATCH", "a", 200),
            ("PATCH", "b", 200),
            ("PATCH", "b", 200),
        )
    )
    assert story({"a": SUCCEEDED, "b": SUCCEEDED}, 4, calls).repeated == 1


def test_who_looks_from_the_newest_on_reads_more_pages_for_older_orders() -> None:
    assert story({str(number): SUCCEEDED for number in range(250)}, 500).pages_to_read == 450


def thousand(*, times: Sequence[float], lists: int, refused: int = 0) -> Story:
    """A thousand orders, and the calls that they took at these times."""
    orders = [f"ord_{number}" for number in range(1_000)]
    calls = [
        *(("GET", "/v1/orders", 200) for _ in range(lists)),
        *(("PATCH", "/v1/orders/ord_0", 429) for _ in range(refused)),
        *(("PATCH", f"/v1/orders/{order}", 200) for order in orders),
    ]
    made = [Call(*call, at) for call, at in zip(calls, times, strict=True)]
    endings = {order: Ending(DeliveryStatus.SUCCEEDED, times[-1]) for order in orders}
    sold = [Sold(order, "{}", {"TEE": 1}) for order in orders]
    return Story(sold, endings, Afterwards(made, {"TEE": 1_000}, orders, 0))


def verdicts(story: Story) -> dict[str, str]:
    return {row.what: row.verdict for row in api.rows_of([story], [story]) if row.verdict}


def test_who_goes_as_early_as_allowed_and_reads_each_page_once_reaches_every_target() -> None:
    found = verdicts(thousand(times=allowance.earliest(1_010, WINDOWS), lists=10))
    assert len(found) == 10
    assert set(found.values()) == {"yes"}


def test_who_reads_a_page_for_each_order_and_comes_too_early_does_not() -> None:
    late = [1.2 * time for time in allowance.earliest(2_001, WINDOWS)]
    found = verdicts(thousand(times=late, lists=1_000, refused=1))
    assert [what for what, verdict in found.items() if verdict == "yes"] == [
        "good day: orders done",
        "good day: changes made twice",
        "bad day: orders lost",
        "bad day: pieces adjusted twice or not at all",
    ]


def test_of_several_rounds_the_worst_counts() -> None:
    good = thousand(times=allowance.earliest(1_010, WINDOWS), lists=10)
    poor = thousand(times=allowance.earliest(1_030, WINDOWS), lists=30)
    rows = {row.what: row for row in api.rows_of([good, poor, good], [good])}
    assert rows["good day: pages of orders read"].ours == "30"
    assert rows["good day: pages of orders read"].theirs == "5,500"
