"""The spool of the processes that an operator runs: killed, stopped, and out of disk."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from core.settings import Settings
from tests.conftest import ProcessStarter, SettingsFactory
from tests.support.deliveries import body_of
from tests.support.kept import events_in
from tests.support.processes import Process
from tests.support.receiver_load import Load
from tests.support.receiver_processes import COMMAND, Serve, lines, wait_until_serving
from tests.support.receivers import Sender
from tests.support.redis_server import RedisServer
from tests.support.spools import readiness, spooled_in, wait_until_drained
from tests.support.waiting import wait_until

UNAVAILABLE = {"status": "unavailable", "redis": "unreachable", "spool": "unusable"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the receiver's spool is."""
    return tmp_path / "data"


@pytest.fixture
def serve(start_process: ProcessStarter, settings: SettingsFactory, free_port: int) -> Serve:
    """Starts the receiver's processes, and waits until they answer."""

    def start(**values: object) -> tuple[Process, Sender]:
        chosen: Settings = settings(port=free_port, log_format="json", **values)
        process = start_process(*COMMAND, settings=chosen)
        return process, wait_until_serving(process, chosen)

    return start


def kept_by(server: RedisServer) -> list[bytes]:
    with server.client() as client:
        return [arrival.raw for arrival in events_in(client)]


@pytest.mark.parametrize("turn", range(3))
def test_loses_nothing_when_it_is_killed_while_it_spools(
    serve: Serve, own_redis: RedisServer, folder: Path, turn: int
) -> None:
    process, receiver = serve(redis_url=own_redis.url, web_concurrency=2)
    load = Load(receiver)
    load.wait_for_answers(50)
    own_redis.kill()
    load.wait_for_more(50)

    time.sleep(random.Random(turn).random() * 0.2)  # noqa: S311 - any moment will do
    process.kill()

    load.stop()
    own_redis.start()
    assert set(load.acknowledged) <= {*kept_by(own_redis), *spooled_in(folder)}
    assert spooled_in(folder) != []
    _, successor = serve(redis_url=own_redis.url, web_concurrency=2)
    wait_until_drained(successor)
    assert set(load.acknowledged) <= set(kept_by(own_redis))


def test_loses_nothing_when_it_is_killed_while_it_drains(
    serve: Serve, own_redis: RedisServer, folder: Path
) -> None:
    own_redis.stop()
    process, receiver = serve(redis_url=own_redis.url)
    acknowledged = []
    for wave in range(8):
        bodies = [body_of(wave=wave, number=n, padding="x" * 20_000) for n in range(100)]
        assert {answer.status for answer in receiver.deliver_at_once(bodies)} == {202}
        acknowledged += bodies
    load = Load(receiver, persistent=True)
    load.wait_for_answers(20)
    own_redis.start()

    for turn in range(3):
        before = len(kept_by(own_redis))
        wait_until(lambda b=before: len(kept_by(own_redis)) > b, "some of them")  # type: ignore[misc]
        process.kill()
        everything = {*kept_by(own_redis), *spooled_in(folder)}
        assert set(acknowledged) <= everything, turn
        process, receiver = serve(redis_url=own_redis.url)
    load.stop()

    wait_until_drained(receiver)
    kept = kept_by(own_redis)
    assert {*acknowledged, *load.acknowledged} <= set(kept)
    assert len(kept) == len(set(kept))  # the markers drop what is drained once more
    assert spooled_in(folder) == []


def test_a_process_that_is_killed_alone_holds_nobody_up(
    serve: Serve, own_redis: RedisServer, folder: Path
) -> None:
    process, receiver = serve(redis_url=own_redis.url, web_concurrency=2)
    load = Load(receiver, persistent=True)
    load.wait_for_answers(50)
    own_redis.kill()
    load.wait_for_more(200)

    children = _children_that_serve(process)
    assert len(children) == 2
    for child in children:
        os.kill(child, signal.SIGKILL)
        load.wait_for_more(100)
    own_redis.start()
    load.wait_for_more(200)
    load.stop()

    wait_until_drained(receiver)
    wait_until(lambda: spooled_in(folder) == [], "an empty spool")
    assert set(load.acknowledged) <= set(kept_by(own_redis))


def _children_that_serve(process: Process) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    command = "multiprocessing.spawn"
    return [pid for pid in map(int, children) if command in _command_line(pid)]


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def test_keeps_the_order_and_says_what_it_does(
    serve: Serve, own_redis: RedisServer, folder: Path
) -> None:
    process, receiver = serve(redis_url=own_redis.url, web_concurrency=2)
    bodies = [body_of(number=n) for n in range(200)]
    own_redis.kill()
    for body in bodies:
        assert receiver.deliver(body).status == 202
    assert spooled_in(folder) == bodies

    own_redis.start()

    wait_until(lambda: len(lines(process, "spooling_over")) == 2, "both at Redis again")
    assert kept_by(own_redis) == bodies
    started, over = lines(process, "spooling_started"), lines(process, "spooling_over")
    assert len(started) == 2
    assert any("onnection" in line["error"] for line in started)
    assert sum(line["events"] for line in over) == 200
    assert all(0 < line["seconds"] < 60 for line in over)


def test_keeps_what_it_has_spooled_when_it_is_stopped(
    serve: Serve, own_redis: RedisServer, folder: Path
) -> None:
    process, receiver = serve(redis_url=own_redis.url, web_concurrency=2)
    own_redis.kill()
    load = Load(receiver)
    load.wait_for_answers(200)

    process.signal(signal.SIGTERM)
    process.wait()

    load.stop()
    assert load.cut_off == []
    assert sorted(spooled_in(folder)) == sorted(load.acknowledged)
    assert "Traceback" not in process.output


def test_what_was_left_is_drained_before_new_events_by_the_next_start(
    serve: Serve, own_redis: RedisServer
) -> None:
    own_redis.stop()
    process, receiver = serve(redis_url=own_redis.url)
    bodies = [body_of(number=n) for n in range(120)]
    for body in bodies[:100]:
        assert receiver.deliver(body).status == 202
    process.kill()
    own_redis.start()

    process, receiver = serve(redis_url=own_redis.url)
    for body in bodies[100:]:
        assert receiver.deliver(body).status == 202

    wait_until_drained(receiver)
    assert kept_by(own_redis) == bodies
    (line,) = lines(process, "spooling_started")
    assert line["waiting"] == 100


def test_is_stopped_soon_while_redis_hangs(
    serve: Serve, own_redis: RedisServer, folder: Path
) -> None:
    process, receiver = serve(redis_url=own_redis.url)
    own_redis.freeze()
    body = body_of()
    receiver.deliver(body)
    began = time.monotonic()

    process.stop()

    assert time.monotonic() - began < 5
    assert spooled_in(folder) == [body]


class Quota:
    """A disk that is full for one process: no file may grow beyond a size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid = 0

    def fill(self, process: Process) -> None:
        self._pid = process.pid
        largest = max(path.stat().st_size for path in self.folder.iterdir())
        self._limit(largest + 100_000)

    def make_room(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def close(self) -> None:
        """Nothing to take down."""

    def _limit(self, size: int) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class SmallDisk:
    """A file system of its own, really full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=True)

    def fill(self, _: Process) -> None:
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def make_room(self) -> None:
        self._ballast.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)


def _may_mount() -> bool:
    """Root in a container often may not."""
    if sys.platform != "linux":
        return False
    status = Path("/proc/self/status").read_text()
    (effective,) = (line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
    return bool(int(effective, 16) & 1 << 21)


@pytest.fixture(params=[Quota, SmallDisk] if _may_mount() else [Quota])
def disk(request: pytest.FixtureRequest, folder: Path) -> Iterator[Quota | SmallDisk]:
    """The disk of DATA_DIR, which can be filled."""
    made: Quota | SmallDisk = request.param(folder)
    yield made
    made.close()


def test_a_full_disk_loses_nothing_and_needs_no_restart(
    serve: Serve, own_redis: RedisServer, disk: Quota | SmallDisk
) -> None:
    process, receiver = serve(redis_url=own_redis.url)
    own_redis.kill()
    number = count()
    acknowledged = [body_of(number=next(number)) for _ in range(10)]
    for body in acknowledged:
        assert receiver.deliver(body).status == 202

    disk.fill(process)
    answers: list[int] = []
    while answers.count(503) < 50:
        body = body_of(number=next(number), padding="x" * 1000)
        answers.append(receiver.deliver(body).status)
        if answers[-1] == 202:
            acknowledged.append(body)

    assert readiness(receiver) == UNAVAILABLE
    assert spooled_in(disk.folder) == acknowledged
    (line,) = lines(process, "spool_failed")
    assert "disk" in line["reason"]
    disk.make_room()
    body = body_of(number=next(number), padding="x" * 1000)
    assert receiver.deliver(body).status == 202
    own_redis.start()
    wait_until_drained(receiver)
    assert kept_by(own_redis) == [*acknowledged, body]
    assert "Traceback" not in process.output


def test_what_is_spooled_on_a_full_disk_reaches_redis_and_so_do_new_events(
    serve: Serve, own_redis: RedisServer, disk: Quota | SmallDisk
) -> None:
    process, receiver = serve(redis_url=own_redis.url)
    own_redis.kill()
    disk_is_full, number = False, count()
    bodies = []
    while not disk_is_full:
        body = body_of(number=next(number), padding="x" * 10_000)
        disk_is_full = receiver.deliver(body).status == 503
        bodies += [] if disk_is_full else [body]
        if len(bodies) == 20:
            disk.fill(process)
    own_redis.start()
    wait_until(lambda: kept_by(own_redis)[: len(bodies)] == bodies, "the spooled events")

    body = body_of(number=next(number), padding="x" * 200_000)

    assert receiver.deliver(body).status == 202
    disk.make_room()
    wait_until_drained(receiver)
    assert kept_by(own_redis) == [*bodies, body]
    assert spooled_in(disk.folder) == []
