"""Being told to stop never gets in the way of what is being done."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

#: Logs and looks at the event without a pause, so that the signals meet it in the midst of both.
BUSY = """
import os, signal, sys, threading
from core.signals import stop_on_signals

said = []
stopping = stop_on_signals(said.append)
lock = threading.Lock()

def bother():
    for _ in range(200):
        os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=bother).start()
while not stopping.wait(0):
    with lock:
        pass
threading.Event().wait(0.2)
print(said)
"""


def test_many_signals_in_the_midst_of_work_are_one_wish_to_stop(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", BUSY],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert (answer.stdout, answer.stderr) == ("['SIGTERM']\n", "")
