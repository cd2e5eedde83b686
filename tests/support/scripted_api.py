"""An HTTP server that answers by a script, however oddly, and records what it is asked."""

import socketserver
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.target}"

    @property
    def json(self) -> Any:
        """The body, which must be JSON and say so."""
        assert self.headers["content-type"] == "application/json"
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent: bytes as they are, and pauses in seconds between them."""

    parts: tuple[bytes | float, ...] = ()
    closes: bool = False


def reply(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    """A complete answer."""
    lines = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return Reply((f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body,))


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A complete answer in JSON; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return reply(status, content, {"Content-Type": "application/json", **(headers or {})})


def error_reply(status: int, code: str, message: str = "no", **headers: str) -> Reply:
    """An error in the shape that EcomLinx documents; ``_`` in a header's name is ``-``."""
    body = {"error": {"code": code, "message": message, "status": status}}
    return json_reply(body, status, {name.replace("_", "-"): v for name, v in headers.items()})


#: The connection is closed without a byte of an answer.
DROPPED = Reply(closes=True)

#: The connection is closed in the middle of an answer.
HALF_AN_ANSWER = Reply((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",), closes=True)


class ScriptedApi:
    """The server, on a free port of the loopback interface, as long as the block lasts.

    Once the script is at its end the answer is 599, which no test expects.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._script: deque[Reply] = deque()
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.scripted = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> "ScriptedApi":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def asked(self) -> list[str]:
        """The requests so far, each as method and target."""
        return [str(request) for request in self.requests]

    def answers(self, *replies: Reply) -> None:
        """Answer the next requests with these."""
        self._script.extend(replies)

    def take(self, request: Received) -> Reply:
        """Record a request; the reply that is next."""
        self.requests.append(request)
        return self._script.popleft() if self._script else error_reply(599, "script_ended")

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the test."""
        self._stopped.wait(seconds)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    scripted: ScriptedApi


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        try:
            while (request := self._read()) is not None:
                answer = self.server.scripted.take(request)
                self._send(answer)
                if answer.closes:
                    return
        except ConnectionError:
            return

    def _read(self) -> Received | None:
        start = self.rfile.readline().decode()
        if not start:
            return None
        method, target, _ = start.split()
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return Received(method, target, headers, body)

    def _send(self, answer: Reply) -> None:
        for part in answer.parts:
            if isinstance(part, bytes):
                self.wfile.write(part)
                self.wfile.flush()
            else:
                self.server.scripted.pause(part)
