"""HTTP by the byte, for requests that no well-behaved client would send."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import orjson

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


class CutOffError(ConnectionError):
    """The server closed the connection in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON and say so."""
        assert self.headers["content-type"] == "application/json"
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, which must have the shape that EcomLinx itself uses."""
        assert set(self.json) == {"error"}
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"code", "message", "status"}
        assert error["status"] == self.status
        return error


class Connection:
    """One TCP connection to a server on this host, closed at the end of the block."""

    def __init__(self, port: int, *, seconds: float = 15) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, in the middle of a request or not."""
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def receive(self) -> HttpAnswer:
        """Read one complete answer; an interim one has no headers of interest and no body.

        Raises:
            CutOffError: The server closed the connection in the middle of the answer.
            ConnectionError: It closed the connection before.
        """
        first = self._file.read(1)
        if not first:
            raise ConnectionError("closed without an answer")
        status = int((first.decode("latin-1") + self._line()).split()[1])
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        size = int(headers.get("content-length", 0))
        body = self._file.read(size)
        if len(body) < size:
            raise CutOffError("the body is incomplete")
        return HttpAnswer(status, headers, body)

    def is_closed_by_server(self) -> bool:
        """Wait for the server's next byte; True if there is none because it has closed."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise CutOffError("the head is incomplete")
        return line[:-2].decode("latin-1")


def request(method: str, path: str, headers: Headers = (), body: bytes | None = None) -> bytes:
    """The bytes of a request; the body's length is declared."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if body is not None:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", "Host: yourapp.com", *(f"{k}: {v}" for k, v in pairs)]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + (body or b"")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; without data it's the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)
