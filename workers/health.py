"""What a process behind the receiver says of its own health, over HTTP."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import orjson
import structlog

from core.settings import SettingsError

log = structlog.get_logger()

#: What has to answer before work can be done, by name.
Checks = Mapping[str, Callable[[], bool]]


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def serve_health(address: Address, checks: Checks) -> None:
    """Answer ``/healthz`` and ``/readyz`` on a thread of its own, as long as the process lives.

    ``/healthz`` says that the process is up. ``/readyz`` says 200 if all checks pass, else 503 and
    which don't.

    Raises:
        SettingsError: The address can't be listened on.
    """
    try:
        server = _Server((address.host, address.port), _Handler)
    except OSError as error:
        raise SettingsError(f"--health {address}: can't listen there ({error.strerror})") from None
    server.checks = checks
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    log.info("health_served", address=str(address))


def is_there(ask: Callable[[], object], error: type[Exception]) -> bool:
    """Tell whether something answers; it raises `error` if it doesn't."""
    try:
        ask()
    except error:
        return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    checks: Checks


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Seconds after which a client that says nothing is left.
    timeout = 10
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        elif self.path == "/readyz":
            away = {name: "away" for name, check in self.server.checks.items() if not check()}
            status = {"status": "unavailable", **away} if away else {"status": "ready"}
            self._answer(503 if away else 200, status)
        else:
            message = "There are /healthz and /readyz"
            self._answer(404, {"error": {"code": "not_found", "message": message, "status": 404}})

    def _answer(self, status: int, body: Mapping[str, object]) -> None:
        content = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: probes ask all the time."""

    def version_string(self) -> str:
        """Name neither ourselves nor Python."""
        return "ecomlinx-hooks"
