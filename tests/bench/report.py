"""The table on the terminal, and the same in the documentation."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import machine
from tests.bench.rows import Row
from tests.support.processes import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"

_HEADINGS = ("what", "ours", "compared with", "theirs", "value", "to reach", "reached")


def as_text(rows: Sequence[Row]) -> str:
    """The rows as columns."""
    lines = [_HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write(found: Mapping[str, Sequence[Row]], *, rounds: int, document: Path = DOCUMENT) -> None:
    """Replace the sections of these parts in the document, and the machine's description.

    What people have written around the sections stays as it is.

    Raises:
        SystemExit: The document has no place for a part.
    """
    text = _replaced(document.read_text(), "machine", machine.describe())
    for part, rows in found.items():
        text = _replaced(text, part, f"{_as_markdown(rows)}\n\n{_origin(part, rounds)}")
    document.write_text(text)


def _cells(row: Row) -> tuple[str, ...]:
    value = "" if row.value is None else f"{row.value:.3g}"
    target = str(row.target or "")
    return (row.what, row.ours, row.compared_with, row.theirs, value, target, row.verdict)


def _as_markdown(rows: Sequence[Row]) -> str:
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *map(_cells, rows)]
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
        raise SystemExit(f"{DOCUMENT.name} has no place for {name}: add {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)
