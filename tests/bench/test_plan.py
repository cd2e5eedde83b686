"""What `python -m tests.bench.plan` tells, and what it says when it is called wrongly."""

import shlex
from pathlib import Path

import pytest

from tests.bench import costs, examples, plan

DAY = "--events-per-day 200000 --peak-factor 20 --handler-ms 300"


def told(words: str) -> str:
    return plan.told(shlex.split(words))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("", "--events-per-day is needed, unless --ceilings are asked for"),
        ("--events-per-day 0", "'0' is not a number above 0"),
        ("--events-per-day many", "'many' is not a number above 0"),
        ("--events-per-day nan", "'nan' is not a number above 0"),
        ("--events-per-day inf", "'inf' is not a number above 0"),
        ("--events-per-day 9 --api-calls -1", "'-1' is not a number of 0 or more"),
        ("--events-per-day 9 --peak-factor 0.5", "'0.5' is not a number of 1 or more"),
        ("--events-per-day 9 --cores 1.5", "'1.5' is not a whole number"),
        ("--events-per-day 9 --sale 0", "'0' is not a number of 1 or more"),
        ("--events-per-day 9 --sale 9999999", "'9999999' is more than a day"),
        ("--events-per-day 9 --plan free", "invalid choice: 'free'"),
    ],
)
def test_a_wrong_argument_is_named(
    words: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        told(words)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_missing_figures_are_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "capacity.json").write_text('{"body_bytes": 400}')
    monkeypatch.setattr(plan, "FIGURES", tmp_path / "capacity.json")
    with pytest.raises(SystemExit) as end:
        told(DAY)
    assert end.value.code == 1
    assert "run `make bench ONLY=capacity`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ("0.01", "Enough. First to be full: "),
        ("1", "Enough on average, not at the peak: EcomLinx API, 1,000 calls a minute: 16.7 "),
        ("10", "Too much, even on average: EcomLinx API, 1,000 calls a minute: 1.7 events/s."),
    ],
)
def test_a_plan_says_whether_it_is_enough(calls: str, verdict: str) -> None:
    assert verdict in told(f"{DAY} --api-calls {calls}")


def test_what_is_full_first_stands_on_top() -> None:
    lines = told(f"{DAY} --api-calls 1").splitlines()
    heading = next(line for line in lines if line.startswith("what is full first"))
    assert lines[lines.index(heading) + 1].startswith("EcomLinx API")


def test_numbers_may_have_commas() -> None:
    assert told("--events-per-day 5,000,000") == told("--events-per-day 5000000")


def test_sqlite_needs_no_server_and_no_second_host() -> None:
    text = told("--events-per-day 500000000 --database sqlite")
    assert "max_connections" not in text
    assert "SQLite is for one host: take --database postgresql." in text


def test_a_sale_tells_what_waits_and_for_how_long() -> None:
    text = told(f"{DAY} --api-calls 1 --sale 3600")
    assert "EcomLinx API: 16.7 events/s" in text
    assert "most that wait: 35,941, after 0:40:00" in text
    assert "longest wait: 0:35:56" in text
    assert "\nall worked off after 1:31:19" in text


def test_a_sale_that_never_ends_is_told_as_such() -> None:
    assert "not all worked off after 72:00:00" in told(f"{DAY} --api-calls 10 --sale 3600")


def test_a_sale_has_as_many_workers_as_are_given() -> None:
    text = told(f"{DAY} --api-calls 0 --sale 60 --worker-processes 2 --worker-threads 3")
    assert "2 workers of 3 threads: 20.0 events/s; no calls to EcomLinx" in text


def test_a_pages_examples_are_told_anew_and_the_rest_is_kept() -> None:
    call = "$ .venv/bin/python -m tests.bench.plan --ceilings"
    page = f"Before.\n```\n{call}\nold\n```\nAfter.\n```\nmake bench\n```\n"
    assert examples.told_anew(page) == page.replace("old", told("--ceilings"))


def test_what_was_measured_is_read_as_it_was_written(tmp_path: Path) -> None:
    measured = costs.load()
    costs.save(measured, tmp_path / "capacity.json")
    assert costs.load(tmp_path / "capacity.json") == measured
