"""What `python -m tests.bench` says when it is called wrongly."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--only", "ingest,nonsense"), "there is no part 'nonsense': choose from ingest"),
        (("--only", ""), "there is no part ''"),
        (("--rounds", "0"), "'0' is not a number of 1 or more"),
        (("--rounds", "many"), "'many' is not a number of 1 or more"),
        (("--ledger-events", "0"), "'0' is not a number of 1 or more"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_measured(
    arguments: tuple[str, ...], complaint: str
) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert complaint in answer.stderr
    assert not answer.stdout
