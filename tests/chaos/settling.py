"""Waits until the service has nothing left to do."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from core.ledger.database import Database
from core.queue import EVENTS_QUEUE, PENDING_KEY
from tests.chaos.stack import Stack
from tests.support.raw_http import Connection, request

_LOOK_EVERY_SECONDS = 1.0

#: Literals, as the partial indexes have them: a look must not read the whole table.
_UNFINISHED = sa.text(
    "SELECT (SELECT count(*) FROM delivery WHERE status = 'retrying')"
    " + (SELECT count(*) FROM delivery WHERE status IN ('running', 'pending'))"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is still to be done. A number is None while it can't be asked for.

    Attributes:
        jobs: Jobs in the queue.
        pending: Jobs that are queued or running.
        deliveries: Unfinished deliveries in the ledger.
        spooling: Receivers that keep events on disk until Redis has them.
    """

    jobs: int | None
    pending: int | None
    deliveries: int | None
    spooling: int | None

    @property
    def is_empty(self) -> bool:
        """True when nothing is left to do."""
        return (self.jobs, self.pending, self.deliveries, self.spooling) == (0, 0, 0, 0)


class Lookout:
    """Looks at a service's backlog, whatever is away just now."""

    def __init__(self, stack: Stack, database: Database) -> None:
        self._stack = stack
        self._database = database

    def look(self) -> Backlog:
        """Count what is left to do."""
        jobs, pending = self._in_redis()
        return Backlog(jobs, pending, self._in_ledger(), self._spooling())

    def wait_until_settled(self, say: Callable[[Backlog], None], *, seconds: float) -> Backlog:
        """Return once nothing is left to do at two looks in a row, or time is up.

        A job may be on its way from one place to another while we look.
        """
        deadline = time.monotonic() + seconds
        was_empty = False
        while True:
            backlog = self.look()
            if (was_empty and backlog.is_empty) or time.monotonic() > deadline:
                return backlog
            was_empty = backlog.is_empty
            say(backlog)
            time.sleep(_LOOK_EVERY_SECONDS)

    def _in_redis(self) -> tuple[int | None, int | None]:
        # Not the server's own client: that one waits longer for an answer than we may.
        with redis.Redis.from_url(self._stack.redis.url, socket_timeout=1) as client:
            try:
                return client.llen(f"rq:queue:{EVENTS_QUEUE}"), client.zcard(PENDING_KEY)
            except redis.RedisError:
                return None, None

    def _in_ledger(self) -> int | None:
        try:
            with self._database.read() as connection:
                count: int = connection.execute(_UNFINISHED).scalar_one()
                return count
        except SQLAlchemyError:
            return None

    def _spooling(self) -> int | None:
        answers = [_readiness(port) for port in self._stack.ports]
        if None in answers:
            return None
        return sum("spooling" in (answer or "") for answer in answers)


def _readiness(port: int) -> str | None:
    """What a receiver says of itself; None where it isn't there."""
    try:
        with Connection(port, seconds=3) as connection:
            connection.send(request("GET", "/readyz"))
            return connection.receive().body.decode()
    except OSError:
        return None
