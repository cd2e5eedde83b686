"""The documentation says what is true."""

import re
import subprocess
from pathlib import Path

import pytest

from core.settings import Settings
from handlers.registry import declared_in
from ops.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def setting_rows() -> list[str]:
    rows = []
    for name, field in Settings.model_fields.items():
        if not field.exclude:
            rows.append(f"| `{name.upper()}` | {shown(field.default)} | {field.description} |")
    return rows


def shown(default: object) -> str:
    if default is None or default == ():
        return "-"
    value = default.get_secret_value() if hasattr(default, "get_secret_value") else default
    return f"`{value}`"


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text().splitlines()

    missing = [row for row in setting_rows() if row not in readme]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"(?:`|\$ (?:\.venv/bin/)?|^ *)ecomlinx-hooks ([a-z]+)", page.read_text())

    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_example_compiles(page: Path) -> None:
    for block in python_blocks(page):
        compile(block, page.name, "exec")


def test_the_readmes_handler_is_a_handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "readme_example.py").write_text(python_blocks(ROOT / "README.md")[0])
    monkeypatch.syspath_prepend(tmp_path)

    __import__("readme_example")

    (handler,) = declared_in("readme_example")
    assert (handler.name, handler.patterns, handler.retries) == ("reorder", ("inventory.low",), 3)


def test_the_makefile_explains_its_targets() -> None:
    answer = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)

    for target in ("run", "test", "chaos", "check"):
        assert re.search(rf"^{target}\s+\S", answer.stdout, re.MULTILINE)
