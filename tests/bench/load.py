"""Signed requests, and wrk, which sends each of them once."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson

from core import signature
from tests.bench import orders
from tests.bench.bench import LOAD_CORE, Bench, plain_environment
from tests.support.deliveries import SECRET

#: The first of them are for warming up, the others for one measurement.
_WARM_UP_REQUESTS, _REQUESTS = 60_000, 180_000
_WARM_UP_SECONDS, _SECONDS = 2, 5

_SCRIPT = Path(__file__).with_suffix(".lua")
_PATH = "/hooks/ecomlinx"


class LoadError(Exception):
    """Something was answered otherwise than with 202, or not at all: the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Requests:
    """A file of requests, each with another event, and where those begin that are measured."""

    path: Path
    measured_at_byte: int


@dataclass(frozen=True, slots=True)
class Answers:
    """How fast answers came.

    Attributes:
        per_second: How many.
        p50_ms: Half of them came within so many milliseconds.
        p99_ms: 99 % of them did.
        repeated: True if events were sent twice, as there were not enough of them.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    repeated: bool


def write_requests(bench: Bench) -> Requests:
    """Sign all requests beforehand, so that wrk's core has nothing to do but to send them."""
    bench.say(f"  signing {_WARM_UP_REQUESTS + _REQUESTS:,} events")
    path = bench.new_folder("requests") / "requests"
    with path.open("wb") as file:
        file.writelines(map(record, range(_WARM_UP_REQUESTS)))
        measured_at = file.tell()
        file.writelines(map(record, range(_WARM_UP_REQUESTS, _WARM_UP_REQUESTS + _REQUESTS)))
    return Requests(path, measured_at)


def measure(port: int, requests: Requests, *, connections: int) -> Answers:
    """Send as fast as answers come, after a warm-up in which each answer is looked at.

    Raises:
        LoadError: Not everything was accepted.
    """
    warm_up = _wrk(port, requests.path, connections, 0, _WARM_UP_SECONDS, "count")
    if warm_up["others"]:
        raise LoadError(f"{warm_up['others']} of {warm_up['answers']} answers were not 202")
    told = _wrk(port, requests.path, connections, requests.measured_at_byte, _SECONDS, "")
    return Answers(
        per_second=told["answers"] / told["microseconds"] * 1e6,
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
        repeated=told["sent"] > _REQUESTS,
    )


def record(number: int) -> bytes:
    """One request, and before it the four digits of its length."""
    body = orders.body(number)
    request = b"\r\n".join(
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
    return f"{len(request):04}".encode() + request


def _wrk(
    port: int, path: Path, connections: int, first_byte: int, seconds: int, mode: str
) -> dict[str, int]:
    command = (
        *("taskset", "--cpu-list", str(LOAD_CORE), "wrk", "--threads=1"),
        *(f"--connections={connections}", f"--duration={seconds}s", f"--script={_SCRIPT}"),
        *(f"http://127.0.0.1:{port}{_PATH}", "--", str(path), str(first_byte), mode),
    )
    output = subprocess.run(
        command, env=plain_environment(), capture_output=True, text=True, check=True
    ).stdout
    told: dict[str, int] = orjson.loads(output.splitlines()[-1])
    if told["failed"] or not told["answers"]:
        raise LoadError(f"wrk met {told['failed']} failures:\n{output}")
    return told
