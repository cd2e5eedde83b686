"""The page about capacity shows what its commands print, and the figures that they begin with."""

import shlex
import subprocess
import sys

import pytest

from tests.bench import capacity, costs, examples
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "capacity.md"
TEXT = PAGE.read_text()


def shown(call: str) -> str:
    begin = TEXT.index(f"$ .venv/bin/python -m tests.bench.plan {call}\n")
    return TEXT[begin : TEXT.index("\n```", begin)].partition("\n")[2]


def test_the_page_has_a_plan_a_sale_and_the_ceilings() -> None:
    calls = examples.calls(TEXT)
    assert any("--sale" in call for call in calls)
    assert any("--ceilings" in call for call in calls)
    assert TEXT.count("$ .venv/bin/python -m tests.bench.plan") == len(calls) >= 4


@pytest.mark.parametrize("call", examples.calls(TEXT))
def test_a_command_prints_what_the_page_shows(call: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.plan", *shlex.split(call)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.rstrip("\n") == shown(call)


def test_the_table_shows_the_figures_that_the_calculation_begins_with() -> None:
    for row in capacity.rows(costs.load()):
        assert f"| {' | '.join(row.cells)} |" in TEXT
