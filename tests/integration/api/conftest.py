"""Calls without pauses."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Calls are tried as often as ever, without pauses in between."""
    with stamina.set_testing(True, attempts=3):
        yield
