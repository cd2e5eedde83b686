"""The table on the terminal, and in the document."""

import shutil
from pathlib import Path

import pytest

from tests.bench import parts, report
from tests.bench.rows import CostRow, Row, at_least

ROWS = [
    Row("ingest", "17.0 k/s", "bare", "40.0 k/s", 0.425, at_least(0.4)),
    Row("answer", "2.0 ms"),
]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "benchmarks.md"
    path.write_text(
        "Written by people.\n<!-- machine: measured -->\nold\n<!-- machine: end -->\n"
        "## ingest\n<!-- ingest: measured -->\nold \\1 figures\n<!-- ingest: end -->\nMore.\n"
        "## dispatch\n<!-- dispatch: measured -->\nkept figures\n<!-- dispatch: end -->\n"
    )
    return path


def test_a_part_that_was_measured_gets_its_new_figures_and_nothing_else_changes(
    document: Path,
) -> None:
    report.write({"ingest": ROWS}, rounds=3, document=document)
    text = document.read_text()
    assert "| ingest | 17.0 k/s | bare | 40.0 k/s | 0.425 | >= 0.4 | yes |" in text
    assert "`make bench ONLY=ingest`" in text
    assert "3 rounds" in text
    assert "old" not in text
    for kept in ("Written by people.", "## ingest\n", "More.\n", "kept figures"):
        assert kept in text


def test_figures_that_are_written_again_take_the_place_of_the_first(document: Path) -> None:
    for _ in range(2):
        report.write({"ingest": ROWS}, rounds=3, document=document)
    assert document.read_text().count("17.0 k/s") == 1


def test_a_part_without_a_place_is_named_and_nothing_is_written(document: Path) -> None:
    before = document.read_text()
    with pytest.raises(SystemExit, match="no place for startup: add <!-- startup: measured -->"):
        report.write({"ingest": ROWS, "startup": ROWS}, rounds=3, document=document)
    assert document.read_text() == before


def test_each_part_has_a_place_in_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {report.document_of(part) for part in parts.NAMES}
    copies = [Path(shutil.copy(page, tmp_path)) for page in pages]
    monkeypatch.setattr(report, "DOCUMENT", tmp_path / report.DOCUMENT.name)
    report.write_all(dict.fromkeys(parts.NAMES, ROWS), rounds=1)
    found = {copy.name: copy.read_text().count("17.0 k/s") for copy in copies}
    assert found == {"benchmarks.md": len(parts.NAMES) - 1, "capacity.md": 1}


def test_costs_have_columns_of_their_own(document: Path) -> None:
    costs = [CostRow("bytes", 1234, 0.5)]
    report.write({"ingest": costs}, rounds=3, document=document)
    text = document.read_text()
    assert "| for one event | in full batches | alone |" in text
    assert "| bytes | 1,234 | 0.5 |" in text
    assert report.as_text([*ROWS, *costs]).count("\n\n") == 1


def test_columns_stand_below_each_other() -> None:
    heading, first, second = report.as_text(ROWS).splitlines()
    assert heading.index("ours") == first.index("17.0 k/s") == second.index("2.0 ms")
