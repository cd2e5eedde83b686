"""A folder of modules that a test writes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import handlers.builtin  # noqa: F401 - declared once, before any test looks
from handlers import registry

WriteModule = Callable[[str, str], None]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder: empty, and forgotten by Python's imports after the test."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path, modules = list(sys.path), set(sys.modules)
    # What earlier tests have declared is none of the next one's business.
    monkeypatch.setattr(registry, "_declared", registry._declared.copy())
    yield folder
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def write_module(here: Path) -> WriteModule:
    """Writes a module into the current folder."""

    def write(name: str, text: str) -> None:
        path = here / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return write
