"""Whose turn it is, among all processes that share a Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis

from core.api.budget.counting import totals
from core.api.budget.redis_scripts import BODIES, CLOCK, KEYS, script
from core.api.budget.turns import Ask, Kind, Verdict
from core.api.gate import Priority
from core.api.limits import SECOND, Limit, reconcile_limit
from core.api.usage import Usage, WindowUsage


class HistoryLostError(Exception):
    """Redis has forgotten what was sent; the calls of this process have to be told again.

    Attributes:
        epoch: Names what Redis knows now.
    """

    def __init__(self, epoch: str) -> None:
        super().__init__("Redis has forgotten which calls were made")
        self.epoch = epoch


@dataclass(frozen=True, slots=True)
class Seen:
    """What Redis told along with a verdict.

    Attributes:
        epoch: Names what Redis knows; another one means that it has forgotten all.
        sharers: How many processes have shared the key lately.
        left: How many more calls each window could take.
    """

    epoch: str
    sharers: int
    left: tuple[int, ...]


class RedisTurns:
    """The turns of all processes. Thread-safe; every method may raise `redis.RedisError`.

    Args:
        connection: To Redis 6.2 or newer, with a short timeout.
        limits: How many calls are allowed.
        name: Whose budget it is; processes with the same one share it.
        clock: The scripts' clock.
    """

    def __init__(
        self,
        connection: "redis.Redis",
        limits: Sequence[Limit],
        name: str,
        clock: str = CLOCK,
    ) -> None:
        self._limits = limits
        # One hash tag: a cluster keeps them in one place.
        self._keys = [f"ecomlinx:api:{{{name}}}:{key}" for key in KEYS]
        self._scripts = {body: connection.register_script(script(body, clock)) for body in BODIES}
        reconcile = reconcile_limit(limits)
        self._common = {
            "limits": [[limit.calls, limit.length] for limit in limits],
            "reconcile_limit": [reconcile.calls, reconcile.length],
        }

    def ask(self, ask: Ask, process: str, epoch: str) -> tuple[Verdict, Seen]:
        """Answer a caller.

        Raises:
            HistoryLostError: `epoch` isn't what Redis knows.
        """
        kind, wait, ticket, inside, known, sharers, *left = self._run(
            "ask",
            call=ask.call,
            endpoint=ask.endpoint,
            patience=ask.patience,
            flight=ask.flight,
            waited=ask.waited,
            caller=ask.caller,
            ticket=ask.ticket,
            inside=ask.inside,
            reconciles=ask.priority is Priority.RECONCILE,
            process=process,
            epoch=epoch,
        )
        if kind == b"lost":
            raise HistoryLostError(known.decode())
        verdict = Verdict(Kind(kind.decode()), int(wait), int(ticket), bool(inside))
        return verdict, Seen(known.decode(), sharers, tuple(left))

    def done(self, call: str) -> None:
        """Take note that a call has been answered, or won't be."""
        self._run("done", call=call)

    def pause(self, endpoint: str, duration: int) -> None:
        """Let nobody go for so long."""
        self._run("pause", endpoint=endpoint, duration=duration)

    def count(self, endpoint: str, what: str, amount: int) -> None:
        """Count something."""
        self._run("count", endpoint=endpoint, what=what, amount=amount)

    def restore(
        self, sent: Sequence[tuple[str, int]], flying: Sequence[tuple[str, int]], hold: int
    ) -> None:
        """Tell of calls that Redis may not know.

        Args:
            sent: Calls that are done, and how many microseconds ago.
            flying: Calls that are not, and how long they may still take.
            hold: For so long nobody goes, so that other processes can tell of theirs.
        """
        self._run("restore", sent=sent, flying=flying, hold=hold)

    def usage(self) -> Usage:
        """Return how much is used, and for what."""
        paused, used, minutes = self._run("look")
        windows = tuple(
            WindowUsage(limit.calls, limit.seconds, calls)
            for limit, calls in zip(self._limits, used, strict=True)
        )
        endpoints = totals(_counts(fields) for fields in minutes)
        return Usage(windows, int(paused) / SECOND, endpoints, shared=True)

    def _run(self, body: str, **request: object) -> Any:
        words = orjson.dumps({**self._common, **request})
        return self._scripts[body](keys=self._keys, args=[words])


def _counts(fields: Sequence[bytes]) -> Mapping[str, int]:
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return {name.decode(): int(amount) for name, amount in pairs}
