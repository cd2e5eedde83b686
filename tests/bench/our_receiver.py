"""Our receiver, as it runs in production."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.bench import SERVER_CORE, Bench, service_environment
from tests.support.ports import find_free_port
from tests.support.processes import Process
from tests.support.redis_server import RedisServer


@contextmanager
def start(bench: Bench, redis: RedisServer) -> Iterator[tuple[Process, int]]:
    """Run one receiver process on the server's core; give it and its port."""
    folder, port = bench.new_folder("receiver"), find_free_port()
    environment = service_environment(
        folder, redis_url=redis.url, ledger_url="sqlite://", PORT=str(port)
    )
    command = ("python", "-m", "ops", "receiver")
    with bench.start(*command, core=SERVER_CORE, folder=folder, environment=environment) as process:
        process.wait_for_line("receiver_ready")
        process.wait_for_port(port)
        yield process, port
