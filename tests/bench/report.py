"""The table on the terminal, and the same in the documentation."""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from tests.bench import examples, machine, parts
from tests.bench.rows import Cells, Line
from tests.support.processes import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def as_text(rows: Sequence[Line]) -> str:
    """The rows as columns, those of one kind below each other."""
    tables = groupby(rows, key=attrgetter("headings"))
    return "\n\n".join(_as_columns([headings, *map(_cells, its)]) for headings, its in tables)


def _as_columns(lines: Sequence[Cells]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write_all(found: Mapping[str, Sequence[Line]], *, rounds: int) -> None:
    """Write each part to the page that it belongs to."""
    for document, names in groupby(sorted(found, key=document_of), key=document_of):
        write({name: found[name] for name in names}, rounds=rounds, document=document)


def document_of(part: str) -> Path:
    """The page that a part's figures belong to."""
    return DOCUMENT.with_name(parts.DOCUMENTS.get(part, DOCUMENT.name))


def write(found: Mapping[str, Sequence[Line]], *, rounds: int, document: Path = DOCUMENT) -> None:
    """Replace the sections of these parts in the document, and the machine's description.

    What people have written around the sections stays as it is.

    What the document shows of `tests.bench.plan` is told anew, from the figures that are there now.

    Raises:
        SystemExit: The document has no place for a part.
    """
    text = _replaced(document.read_text(), "machine", machine.describe())
    for part, rows in found.items():
        text = _replaced(text, part, f"{_as_markdown(rows)}\n\n{_origin(part, rounds)}")
    document.write_text(examples.told_anew(text))


_cells: Callable[[Line], Cells] = attrgetter("cells")


def _as_markdown(rows: Sequence[Line]) -> str:
    headings = rows[0].headings
    lines = [headings, ("---",) * len(headings), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _origin(part: str, rounds: int) -> str:
    # Blank lines aside, what git says of the tree that was measured.
    git = ("git", "-C", str(ROOT))
    commit = _output(*git, "rev-parse", "--short", "HEAD")
    changed = _output(*git, "status", "--porcelain", "--untracked-files=no", "--", ":!docs")
    day = datetime.now(UTC).date().isoformat()
    tree = f"commit {commit}{' and changes' if changed else ''}"
    return f"`make bench ONLY={part}`, {day}, {tree}, {rounds} rounds."


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _replaced(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: measured -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the page has no place for {name}: add {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)
