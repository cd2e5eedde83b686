"""The applications that our receiver is compared with, each one process on the server's core."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import peer_env
from tests.bench.bench import SERVER_CORE, Bench
from tests.support.deliveries import SECRET
from tests.support.ports import find_free_port
from tests.support.redis_server import RedisServer


@contextmanager
def uvicorn(bench: Bench, redis: RedisServer, module: str) -> Iterator[int]:
    """Run an ASGI application of peers/ with uvicorn as ours has it; give its port."""
    port = find_free_port()
    command = (
        *(peer_env.python(bench), "-m", "uvicorn", f"{module}:app", "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--no-server-header"),
    )
    with _serving(bench, redis, command, port):
        yield port


@contextmanager
def node(bench: Bench, redis: RedisServer, program: str) -> Iterator[int]:
    """Run a program of peers/ with Node; give its port."""
    port = find_free_port()
    with _serving(bench, redis, ("node", str(peer_env.PROGRAMS / program)), port):
        yield port


@contextmanager
def _serving(
    bench: Bench, redis: RedisServer, command: tuple[str, ...], port: int
) -> Iterator[None]:
    folder = bench.new_folder("peer")
    environment = peer_env.environment(
        bench, PORT=str(port), REDIS_URL=redis.url, WEBHOOK_SECRET=SECRET
    )
    with bench.start(*command, core=SERVER_CORE, folder=folder, environment=environment) as process:
        process.wait_for_port(port)
        yield
