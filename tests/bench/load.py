"""Signed requests, and wrk, which sends each of them once."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from core import signature
from tests.bench import orders
from tests.bench.bench import LOAD_CORE, Bench, plain_environment
from tests.support.deliveries import SECRET

#: Beyond what any system here answers in one measurement, so that no event is sent twice.
REQUESTS = 400_000

#: The first so many are for warming up.
_WARM_UP_REQUESTS = 100_000
_WARM_UP_SECONDS, _SECONDS = 2, 5

_SCRIPT = Path(__file__).with_suffix(".lua")
_PATH = "/hooks/ecomlinx"


class LoadError(Exception):
    """Something was answered otherwise than with 202, or not at all: the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Requests:
    """A file of requests, all of one size, each with another event."""

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Answers:
    """How fast answers came: so many a second, and half or 99 % of them within a time."""

    per_second: float
    p50_ms: float
    p99_ms: float


def write_requests(bench: Bench) -> Requests:
    """Sign all requests beforehand, so that wrk's core has nothing to do but to send them."""
    bench.say(f"  signing {REQUESTS:,} events")
    path = bench.new_folder("requests") / "requests"
    with path.open("wb") as file:
        file.writelines(_requests())
    return Requests(path, path.stat().st_size // REQUESTS)


def measure(port: int, requests: Requests, *, connections: int) -> Answers:
    """Send as fast as answers come, after a warm-up in which each answer is looked at.

    Raises:
        LoadError: Not everything was accepted.
    """
    warm_up = _wrk(port, requests, connections, 0, _WARM_UP_SECONDS, "count")
    if warm_up["others"]:
        raise LoadError(f"{warm_up['others']} of {warm_up['answers']} answers were not 202")
    told = _wrk(port, requests, connections, _WARM_UP_REQUESTS, _SECONDS, "")
    rate = told["answers"] / told["microseconds"] * 1e6
    return Answers(rate, told["p50"] / 1000, told["p99"] / 1000)


def _requests() -> Iterator[bytes]:
    for number in range(REQUESTS):
        body = orders.body(number)
        yield b"\r\n".join(
            (
                f"POST {_PATH} HTTP/1.1".encode(),
                b"Host: localhost",
                b"User-Agent: EcomLinx-Webhooks/1.0",
                b"Content-Type: application/json",
                f"Content-Length: {len(body)}".encode(),
                f"{signature.HEADER}: {signature.sign(body, SECRET)}".encode(),
                b"",
                body,
            )
        )


def _wrk(
    port: int, requests: Requests, connections: int, skipped: int, seconds: int, mode: str
) -> dict[str, int]:
    command = (
        *("taskset", "--cpu-list", str(LOAD_CORE), "wrk", "--threads=1"),
        *(f"--connections={connections}", f"--duration={seconds}s", f"--script={_SCRIPT}"),
        *(f"http://127.0.0.1:{port}{_PATH}", "--"),
        *(str(requests.path), str(requests.size_bytes), str(skipped), mode),
    )
    output = subprocess.run(
        command, env=plain_environment(), capture_output=True, text=True, check=True
    ).stdout
    told: dict[str, int] = orjson.loads(output.splitlines()[-1])
    if told["failed"] or not told["answers"]:
        raise LoadError(f"wrk met {told['failed']} failures:\n{output}")
    return told
