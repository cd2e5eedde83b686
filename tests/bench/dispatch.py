"""A backlog worked off by one worker process, outcomes in the ledger.

Every system finds its whole backlog waiting when it starts, and is measured from the first event
that is done to the last, by what Redis tells; then its ledger must hold an event, a succeeded
delivery and an attempt for each. All write the same columns, with the same indexes, and sync each
commit to disk. Ours finds full batches, as they arise under load, and commits twice for each
(claims, then outcomes, so that a crash is noticed); its peers commit once for each event.
"""

from collections.abc import Callable, Mapping
from functools import partial

from core.queue import BATCH_EVENTS
from tests.bench import bullmq_peer, our_worker, peer_env, rq_peer
from tests.bench.bench import Bench
from tests.bench.ledgers import postgres, postgres_ledger, sqlite_ledger
from tests.bench.rows import Row, Target, at_least, per_second, ratio_of_rounds

_OURS = "ours"
_RQ = "RQ SimpleWorker, same rows"
_BULLMQ = "BullMQ, concurrency 50, same rows"

#: So many that each is at work for some seconds.
_EVENTS = {_OURS: 200 * BATCH_EVENTS, _RQ: 1_500, _BULLMQ: 10_000}

Side = Callable[[str], float]


def measure(bench: Bench) -> list[Row]:
    """On SQLite, and on PostgreSQL."""
    peer_env.install(bench)
    sides: dict[str, Side] = {
        _OURS: lambda ledger: our_worker.rate(bench, ledger, events=_EVENTS[_OURS]),
        _RQ: lambda ledger: rq_peer.rate_with_ledger(bench, ledger, events=_EVENTS[_RQ]),
    }
    bullmq: dict[str, Side] = {
        _BULLMQ: lambda ledger: bullmq_peer.rate_with_ledger(bench, ledger, events=_EVENTS[_BULLMQ])
    }
    rows = _compare(
        *(bench, "SQLite", partial(sqlite_ledger, bench), sides | bullmq),
        {_RQ: at_least(15), _BULLMQ: at_least(1.2)},
    )
    with postgres(bench) as server:
        new_ledger = partial(postgres_ledger, server)
        return rows + _compare(bench, "PostgreSQL", new_ledger, sides, {_RQ: at_least(10)})


def _compare(
    bench: Bench,
    database: str,
    new_ledger: Callable[[], str],
    sides: Mapping[str, Side],
    targets: Mapping[str, Target],
) -> list[Row]:
    def measured(rate: Side) -> float:
        return rate(new_ledger())

    rates = bench.take_turns({name: partial(measured, rate) for name, rate in sides.items()})
    ours = rates[_OURS]
    return [
        Row(
            f"dispatch, full batches, {database}",
            per_second(ours),
            name,
            per_second(rates[name]),
            ratio_of_rounds(ours, rates[name]),
            target,
        )
        for name, target in targets.items()
    ]
