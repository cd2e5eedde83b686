"""What the table says of a figure."""

import pytest

from tests.bench.rows import Row, at_least, at_most, per_second, ratio_of_rounds


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("rate", "5 k/s", value=8.0, target=at_least(8)), "yes"),
        (Row("rate", "5 k/s", value=7.99, target=at_least(8)), "no"),
        (Row("time", "2 ms", value=2.0, target=at_most(2)), "yes"),
        (Row("time", "2 ms", value=2.01, target=at_most(2)), "no"),
        (Row("no target", "5 k/s", value=0.1), ""),
        (Row("no value", "5 k/s", target=at_least(8)), ""),
    ],
)
def test_a_row_says_whether_its_target_is_reached(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_a_ratio_compares_what_was_measured_in_the_same_round() -> None:
    drifting = [100.0, 50.0, 10.0]
    assert ratio_of_rounds([2 * rate for rate in drifting], drifting) == 2


def test_rounds_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio_of_rounds([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("rates", "text"),
    [([999.4], "999/s"), ([1000.0], "1.0 k/s"), ([1.0, 17_250.0, 9e9], "17.2 k/s")],
)
def test_rates_are_told_as_their_median(rates: list[float], text: str) -> None:
    assert per_second(rates) == text
