"""The lists of what the systems are that we are compared with."""

import json
import re

from tests.bench import peer_env


def test_every_python_package_is_pinned_and_hashed() -> None:
    text = (peer_env.PROGRAMS / "requirements.txt").read_text()
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert packages
    assert all(re.match(r"[\w-]+(\[\w+\])?==\S+ .*\\$", line) for line in packages)
    assert text.count("--hash=sha256:") >= len(packages)


def test_every_node_package_is_pinned_and_hashed_whatever_registry_it_comes_from() -> None:
    lock = json.loads((peer_env.PROGRAMS / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert all(entry["version"] and entry["integrity"] for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())


def test_the_machines_description_names_the_versions() -> None:
    found = peer_env.versions()
    names = ("celery", "fastapi", "rq", "uvicorn", "better-sqlite3", "bullmq", "fastify", "ioredis")
    assert [entry.split()[0] for entry in found.split(", ")] == list(names)
