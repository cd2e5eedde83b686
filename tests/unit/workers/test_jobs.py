"""Jobs name functions by their path, in text: the paths must lead somewhere."""

import importlib

import pytest

from core.jobs import JOB_FUNCTIONS
from workers import alerts, dispatch


@pytest.mark.parametrize("path", sorted(JOB_FUNCTIONS))
def test_every_job_names_a_function(path: str) -> None:
    module, _, name = path.rpartition(".")

    assert callable(getattr(importlib.import_module(module), name))


def test_a_job_of_events_runs_only_in_a_worker_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_dispatcher", None)

    with pytest.raises(RuntimeError, match="ecomlinx-hooks worker"):
        dispatch.dispatch([])


def test_a_job_of_an_alert_runs_only_in_a_process_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_sender", None)

    with pytest.raises(RuntimeError, match="ecomlinx-hooks alerts"):
        alerts.send("channel.error:amazon")
