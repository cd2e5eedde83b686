"""`ecomlinx-hooks dev`: the whole service on one machine, as a newcomer meets it."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.events import EVENT_TYPES
from tests.support.ports import find_free_port
from tests.support.processes import ROOT, Process
from tests.support.waiting import wait_until

PATH = "/v1/orders/ord_8FZ2K"
READY = "Ctrl-C stops everything"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, as a newcomer's."""
    place = tmp_path / "newcomer"
    place.mkdir()
    return place


@pytest.fixture
def environment(free_port: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PORT": str(free_port)}


@pytest.fixture
def dev(folder: Path, environment: dict[str, str]) -> Iterator[Process]:
    """The stack, with far more traffic than a newcomer gets."""
    command = ("python", "-P", "-m", "ops", "dev", "--rate", "15")
    output = folder.parent / "dev.txt"
    with Process(*command, environment=environment, output=output, folder=folder) as process:
        process.wait_for_line(READY, seconds=45)
        yield process


def ecomlinx_hooks(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    """Run a command in another terminal."""
    output = folder.parent / f"{'-'.join(arguments[:2])}.txt"
    output.unlink(missing_ok=True)
    command = ("python", "-P", "-m", "ops", *arguments)
    with Process(*command, environment=environment, output=output, folder=folder) as process:
        code = process.wait()
        assert code == 0, process.output
        return process.output


def running_in(folder: Path) -> list[str]:
    """The command lines of all processes that run in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if (process / "cwd").resolve().is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_it_says_where_things_are(dev: Process, environment: dict[str, str]) -> None:
    port = environment["PORT"]

    assert f"receiver   http://127.0.0.1:{port}/hooks/ecomlinx" in dev.output
    assert "hooks send order.new" in dev.output
    assert "Traceback" not in dev.output


def test_every_kind_of_event_is_handled_and_told_in_a_line(dev: Process) -> None:
    for event_type in EVENT_TYPES:
        line = dev.wait_for_line(f"  {event_type:<18} ", seconds=60)
        assert re.match(r"\d\d:\d\d:\d\d  ", line), line
        # Nobody has anything to do when an order ships.
        told = (
            "no handler is for it"
            if event_type == "order.shipped"
            else r"(succeeded|skipped) \d+ ms"
        )
        assert re.search(told, line), line

    assert re.search(r"new-orders succeeded .*PATCH /v1/orders/ord_\w+ 200", dev.output)


def test_an_event_of_ones_own_can_be_sent_and_looked_up(
    dev: Process, folder: Path, environment: dict[str, str]
) -> None:
    data = '{"id":"ord_8FZ2K","channel":"amazon_in","total":899,"status":"new"}'
    answer = ecomlinx_hooks(folder, environment, "send", "order.new", "--data", data)
    assert answer.startswith("202 ")
    event_id = json.loads(answer.removeprefix("202 "))["id"]
    dev.wait_for_line("ord_8FZ2K")

    listed = ecomlinx_hooks(folder, environment, "events", "list", "--limit", "500", "--json")
    story = json.loads(ecomlinx_hooks(folder, environment, "events", "show", event_id, "--json"))

    assert event_id in [json.loads(line)["id"] for line in listed.splitlines()]
    assert json.loads(story["raw"])["data"] == json.loads(data)
    (delivery,) = story["deliveries"]
    assert delivery["handler"] == "builtin.new-orders"
    (call,) = delivery["history"][0]["api_calls"]
    # The made-up traffic may have shipped this order in the meantime.
    ended = (call["path"], call["status"], delivery["status"])
    assert ended in {(PATH, 200, "succeeded"), (PATH, 409, "skipped")}


def test_the_budget_can_be_asked_for_as_it_says(
    dev: Process, folder: Path, environment: dict[str, str]
) -> None:
    told = re.search(r"REDIS_URL=(\S+) ECOMLINX_API_KEY=(\S+) \S+hooks budget", dev.output)
    assert told is not None, dev.output
    dev.wait_for_line("PATCH /v1/orders/ord_")

    named = {**environment, "REDIS_URL": told[1], "ECOMLINX_API_KEY": told[2]}
    printed = ecomlinx_hooks(folder, named, "budget")

    assert re.search(r"^[1-9]\d* of 1,000 calls in 60 s are used", printed), printed
    assert "PATCH /v1/orders/{id}" in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_stopping_it_leaves_nothing_running(
    dev: Process, folder: Path, number: signal.Signals
) -> None:
    assert len(running_in(folder)) >= 6

    dev.signal(number)

    assert dev.wait(seconds=40) == 0
    assert running_in(folder) == []
    assert "Everything has stopped." in dev.output
    assert "Traceback" not in (folder / "data" / "dev.log").read_text()


def test_killing_it_leaves_nothing_running(dev: Process, folder: Path) -> None:
    dev.signal(signal.SIGKILL)

    wait_until(lambda: not running_in(folder), "the end of every process", seconds=40)


def test_a_second_one_in_the_same_folder_is_refused(
    dev: Process, folder: Path, environment: dict[str, str]
) -> None:
    assert dev.is_running
    elsewhere = {**environment, "PORT": str(find_free_port())}
    output = folder.parent / "second.txt"
    command = ("python", "-P", "-m", "ops", "dev")
    with Process(*command, environment=elsewhere, output=output, folder=folder) as second:
        assert second.wait() == 1

    assert "runs already with DATA_DIR=data" in second.output


def test_a_taken_port_is_named(folder: Path, environment: dict[str, str]) -> None:
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", int(environment["PORT"])))
        squatter.listen()
        output = folder.parent / "refused.txt"
        command = ("python", "-P", "-m", "ops", "dev")
        with Process(*command, environment=environment, output=output, folder=folder) as process:
            assert process.wait() == 1

    assert f"Can't listen on 127.0.0.1:{environment['PORT']}" in process.output
    assert "PORT=" in process.output


def test_the_well_known_secret_is_refused_where_others_can_reach_it(
    folder: Path, environment: dict[str, str]
) -> None:
    output = folder.parent / "refused.txt"
    command = ("python", "-P", "-m", "ops", "dev")
    public = {**environment, "HOST": "0.0.0.0"}  # noqa: S104
    with Process(*command, environment=public, output=output, folder=folder) as process:
        assert process.wait() == 1

    assert "set ECOMLINX_WEBHOOK_SECRETS" in process.output
