"""Functions that nobody but a test may ever call."""

from pathlib import Path


def spring(*_: object, **__: object) -> None:
    """Leave a trace in the current folder."""
    Path("sprung").touch()
