"""A handler's own settings, picked out of all of them."""

import pytest

from workers.attempt import config_of

VARIABLES = {
    "handler_reorder_limit": "5",
    "handler_reorder_po_box": "12",
    "handler_reorders_limit": "6",
    "handler_acme_low_stock_2_url": "https://example.com/",
}


def test_a_handler_gets_its_own_variables_without_their_prefix() -> None:
    assert config_of("reorder", VARIABLES) == {"limit": "5", "po_box": "12"}


@pytest.mark.parametrize("name", ["acme.low-stock:2", "acme_low_stock_2", "Acme.Low-Stock.2"])
def test_what_a_variable_cannot_hold_is_an_underscore(name: str) -> None:
    assert config_of(name, VARIABLES) == {"url": "https://example.com/"}


def test_a_handler_without_variables_has_no_settings() -> None:
    assert config_of("announce", VARIABLES) == {}
