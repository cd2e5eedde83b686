"""A command imports no more than it needs."""

import subprocess
import sys

from tests.support.processes import ROOT

LEDGER_AND_API = ("alembic", "handlers", "httpx2", "sqlalchemy", "sqlmodel", "workers")


def test_a_receiver_keeps_nothing_in_memory_that_only_others_need() -> None:
    code = (
        "import sys, ops.cli, ops.processes, receiver.main;"
        f"print([name for name in {LEDGER_AND_API} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
