"""A folder that has taken the place of one of our packages is named."""

import sys
from pathlib import Path

import pytest

from ops.cli import PACKAGES, find_shadow


@pytest.fixture
def forget_our_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python looks for our packages anew."""
    for name in PACKAGES:
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_nothing_shadows_us_here() -> None:
    assert find_shadow() is None


@pytest.mark.usefixtures("forget_our_packages")
@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_of_the_same_name_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert find_shadow() == (
        f"{tmp_path / package} has taken the place of ecomlinx-hooks' own package {package!r}:"
        " rename it, or take its folder out of PYTHONPATH"
    )


@pytest.mark.usefixtures("forget_our_packages")
def test_a_module_of_the_same_name_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "handlers.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    shadow = tmp_path / "handlers.py"
    assert (find_shadow() or "").startswith(f"{shadow} has taken the place of")


@pytest.mark.usefixtures("forget_our_packages")
def test_a_package_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])

    assert "package 'core' is missing from" in (find_shadow() or "")
