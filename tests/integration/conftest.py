"""What commands run in, and an EcomLinx that does as it is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.api import EcomLinx
from tests.integration.api.examples import KEY
from tests.support.scripted_api import ScriptedApi


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return empty


@pytest.fixture
def server() -> Iterator[ScriptedApi]:
    """An EcomLinx that answers as the test says."""
    with ScriptedApi() as scripted:
        yield scripted


@pytest.fixture
def api(server: ScriptedApi) -> Iterator[EcomLinx]:
    """A client of that EcomLinx."""
    with EcomLinx(KEY, server.url) as client:
        yield client
