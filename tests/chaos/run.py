"""One run: start everything, send and disturb, wait, judge."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.ledger.database import Database
from core.settings import Settings
from ops.cli import COMMANDS
from tests.chaos import evidence
from tests.chaos.events import ORDINARY_PADDING, make_events
from tests.chaos.monkey import Monkey
from tests.chaos.plan import Kind, make_plan
from tests.chaos.processes import killed_by_handlers
from tests.chaos.recovery import recoveries
from tests.chaos.report import Result, lines_of
from tests.chaos.sender import Sender
from tests.chaos.settling import Backlog, Lookout
from tests.chaos.shop_front import ShopState
from tests.chaos.stack import Stack, start_stack
from tests.chaos.verdict import Evidence, Verdict, judge

_PROGRESS_SECONDS = 5.0

#: A delivery whose job was lost between the ledger and Redis is queued again after five minutes.
_SETTLING_SECONDS = 900.0

#: What was accepted may be where nobody looks, on its way from disk to Redis.
_ARRIVAL_SECONDS = 60.0

#: While Redis is away, the spool is full after so many seconds. No smaller one can be set,
#: so the fewer events there are in a second, the longer are their bodies.
_SPOOL_SECONDS = 4
_SPOOL_BYTES = 1024**2

#: One of so many kills is done by a handler to its own worker.
_SUICIDES_SHARE = 10

_WORKER_LOST = "WorkerLost"
_REPLAYED_AT_ONCE = 100

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What kind of run it is to be.

    Attributes:
        events: How many are sent.
        database: ``sqlite`` or ``postgresql``.
        kills: How many processes are killed; without any, nothing is disturbed at all.
        seed: Other numbers, other events and another plan.
        seconds_per_kill: How often; it decides how long the run takes.
        only: What alone is killed, with no other disturbance; None for all kinds and everything.
    """

    events: int
    database: str
    kills: int
    seed: int = 1
    seconds_per_kill: float = 3.0
    only: Kind | None = None

    @property
    def seconds(self) -> float:
        """How long events are sent, at least."""
        return self.kills * self.seconds_per_kill


def run(order: Order, say: Say) -> Result:
    """Carry out a run and say how it goes; its folder is kept if it goes wrong."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with start_stack(folder, order.database, spool_bytes=_SPOOL_BYTES) as stack:
        say(f"{order.database}: {order.events:,} events, {order.kills} kills; logs in {folder}")
        result = _carried_out(order, stack, say)
        if not result.is_good:
            _tell_stories(stack, result.verdict, say)
        for line in lines_of(result):
            say(line)
    if result.is_good:
        shutil.rmtree(folder)
    else:
        say(f"kept: {folder}")
    return result


def _carried_out(order: Order, stack: Stack, say: Say) -> Result:
    url = Settings(_env_file=None, database_url=stack.ledger.url).ledger_url
    with closing(Database(url)) as database:
        return _Run(order, stack, database, say).result()


def _padding(order: Order) -> int:
    if not order.seconds:
        return ORDINARY_PADDING
    spooled = order.events / order.seconds * _SPOOL_SECONDS
    return max(ORDINARY_PADDING, round(_SPOOL_BYTES / spooled))


def _tell_stories(stack: Stack, verdict: Verdict, say: Say) -> None:
    for finding in [*verdict.lost, *verdict.doubled][:10]:
        say(f"--- {finding.event_id}: {finding.words}")
        try:
            say(stack.ask("events", "show", finding.event_id))
        except AssertionError as error:
            say(str(error))


class _Run:
    """What a run needs from its beginning to its end."""

    def __init__(self, order: Order, stack: Stack, database: Database, say: Say) -> None:
        self._order = order
        self._stack = stack
        self._database = database
        self._say = say
        suicides = order.kills // _SUICIDES_SHARE
        self._events = make_events(
            order.events, seed=order.seed, suicides=suicides, padding=_padding(order)
        )
        self._sender = Sender(self._events, stack.ports, seconds=order.seconds, seed=order.seed)
        plan = make_plan(
            seed=order.seed,
            seconds=order.seconds,
            kills=order.kills,
            is_sqlite=order.database == "sqlite",
            only=order.only,
        )
        self._monkey = Monkey(stack, plan)
        self._lookout = Lookout(stack, self._database)
        self._started_at = time.monotonic()
        self._said_at = 0.0

    def result(self) -> Result:
        """Do it all."""
        stock_before = self._stack.shop.state()
        self._send_and_disturb()
        quiet_at = time.monotonic()
        backlog = self._settle()
        settled_after = time.monotonic() - quiet_at if backlog.is_empty else None
        replayed = self._replay()
        return self._judge(stock_before, settled_after, replayed)

    def _send_and_disturb(self) -> None:
        self._sender.start()
        self._monkey.start()
        try:
            while not (self._sender.join(0.2) and self._monkey.join(0.2)):
                self._progress()
        finally:
            self._sender.stop()
            self._monkey.stop()
        self._monkey.raise_errors()

    def _settle(self) -> Backlog:
        """Wait until nothing is left to do, and what is still on its way has had time to arrive."""
        settled = partial(
            self._lookout.wait_until_settled, self._progress, seconds=_SETTLING_SECONDS
        )
        backlog = settled()
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while backlog.is_empty and self._is_any_missing() and time.monotonic() < deadline:
            time.sleep(1)
            backlog = settled()
        return backlog

    def _is_any_missing(self) -> bool:
        acked = {str(self._events[number].id) for number in self._sender.tally.acked}
        return not acked <= evidence.known_events(self._database)

    def _progress(self, backlog: Backlog | None = None) -> None:
        """Say how it goes, every few seconds."""
        now = time.monotonic()
        if now - self._said_at < _PROGRESS_SECONDS:
            return
        self._said_at = now
        passed = now - self._started_at
        self._say(self._line(passed, backlog or self._lookout.look()))

    def _line(self, passed: float, backlog: Backlog) -> str:
        tally = self._sender.tally
        acked = len(tally.acked)
        return (
            f"{passed:5.0f} s  acked {acked:,} ({acked / passed:.0f}/s)"
            f"  refused {tally.answers[503]:,}  kills {self._monkey.kills}"
            f"  jobs {_shown(backlog.jobs)}  pending {_shown(backlog.pending)}"
            f"  spooling {_shown(backlog.spooling)}  unfinished {_shown(backlog.deliveries)}"
        )

    def _replay(self) -> int:
        """Replay, as an operator would, what died because workers were killed in it thrice."""
        died = [
            event_id
            for (event_id, _), delivery in evidence.deliveries(self._database).items()
            if delivery.died_of(_WORKER_LOST)
        ]
        if not died or "dead" not in COMMANDS:
            return 0
        for batch in _batches(sorted(set(died)), _REPLAYED_AT_ONCE):
            self._stack.ask("dead", "replay", *batch)
        self._settle()
        return len(died)

    def _judge(self, before: ShopState, settled_after: float | None, replayed: int) -> Result:
        after = self._stack.shop.state()
        tally, diary = self._sender.tally, self._monkey.diary
        found = Evidence(
            events=self._events,
            acked=tally.acked,
            known=evidence.known_events(self._database),
            deliveries=evidence.deliveries(self._database),
            effects=after.effects,
            stock_before=before.stock,
            stock_after=after.stock,
        )
        kills = [*diary.worker_kills, *killed_by_handlers(self._stack.ends)]
        return Result(
            database=self._order.database,
            events=len(self._events),
            tally=tally,
            diary=diary,
            ends=self._stack.ends,
            verdict=judge(found),
            recoveries=recoveries(kills, evidence.crashes(self._database), diary.troubles),
            longest_wait=evidence.longest_wait(self._database),
            seconds=time.monotonic() - self._started_at,
            settled_after=settled_after,
            replayed=replayed,
        )


def _shown(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
