"""A client, and a server that answers it by a script."""

from collections.abc import Iterator

import pytest
import stamina

from core.api import EcomLinx
from tests.integration.api.examples import KEY
from tests.support.scripted_api import ScriptedApi


@pytest.fixture
def server() -> Iterator[ScriptedApi]:
    """A server that answers as the test says."""
    with ScriptedApi() as scripted:
        yield scripted


@pytest.fixture
def api(server: ScriptedApi) -> Iterator[EcomLinx]:
    """A client of that server."""
    with EcomLinx(KEY, server.url) as client:
        yield client


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Calls are tried as often as ever, without pauses in between."""
    with stamina.set_testing(True, attempts=3):
        yield
