"""Installs the systems that we are compared with, away from our own libraries."""

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.bench import Bench, plain_environment

#: Their programs, beside the lists of what they need.
PROGRAMS = Path(__file__).parent / "peers"

_LISTS = ("requirements.txt", "package.json", "package-lock.json")
_LINES_OF_A_FAILURE = 20

_NAMED_IN_PYTHON = ("celery", "fastapi", "rq", "uvicorn")
_NAMED_IN_NODE = ("better-sqlite3", "bullmq", "fastify", "ioredis")


class PeersMissingError(Exception):
    """The systems that we are compared with could not be installed."""


def install(bench: Bench) -> None:
    """Install what is missing or has changed; a moment where everything is there.

    Raises:
        PeersMissingError: pip or npm failed.
    """
    bench.peers.mkdir(exist_ok=True)
    mark, wanted = bench.peers / "installed", _fingerprint()
    with _alone(bench.peers / "install.lock"):
        if mark.exists() and mark.read_text() == wanted:
            return
        mark.unlink(missing_ok=True)
        _install_python(bench)
        _install_node(bench)
        mark.write_text(wanted)


def python(bench: Bench) -> str:
    """The interpreter that runs the programs in Python."""
    return str(bench.peers / "venv" / "bin" / "python")


def environment(bench: Bench, **more: str) -> dict[str, str]:
    """What the programs find in their environment; Node finds its packages by it."""
    return {
        **plain_environment(),
        "PYTHONPATH": str(PROGRAMS),
        "NODE_PATH": str(bench.peers / "node_modules"),
        "NODE_ENV": "production",
        **more,
    }


def versions() -> str:
    """What is installed of those that the tables name."""
    pinned = re.findall(
        r"^([\w-]+)==(\S+)", (PROGRAMS / "requirements.txt").read_text(), re.MULTILINE
    )
    packages = json.loads((PROGRAMS / "package-lock.json").read_text())["packages"]
    locked = ((name, packages[f"node_modules/{name}"]["version"]) for name in _NAMED_IN_NODE)
    named = [pair for pair in pinned if pair[0] in _NAMED_IN_PYTHON]
    return ", ".join(f"{name} {version}" for name, version in (*named, *locked))


def _install_python(bench: Bench) -> None:
    venv = bench.peers / "venv"
    bench.say("installing the Python peers (half a minute) ...")
    _run(bench, sys.executable, "-m", "venv", "--clear", str(venv))
    quiet = ("--quiet", "--disable-pip-version-check")
    pip = (python(bench), "-m", "pip", "install", *quiet)
    _run(bench, *pip, "--require-hashes", "-r", str(PROGRAMS / "requirements.txt"))


def _install_node(bench: Bench) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROGRAMS / name, bench.peers / name)
    bench.say("installing the Node peers (a minute or two) ...")
    _run(bench, "npm", "ci", "--no-audit", "--no-fund")


def _run(bench: Bench, *command: str) -> None:
    log = bench.peers / "install.log"
    with log.open("wb") as file:
        code = subprocess.run(
            command, cwd=bench.peers, stdout=file, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-_LINES_OF_A_FAILURE:])
        raise PeersMissingError(f"{' '.join(command)} ended with {code}:\n{end}")


def _fingerprint() -> str:
    content = b"".join((PROGRAMS / name).read_bytes() for name in _LISTS)
    return hashlib.sha256(sys.version.encode() + content).hexdigest()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
