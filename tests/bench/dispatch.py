"""A backlog worked off by one worker process, outcomes in the ledger.

Every system finds its whole backlog waiting when it starts, and is measured from the first event
that is done to the last, by what Redis tells; then its ledger must hold an event, a succeeded
delivery and an attempt for each. All write the same columns, with the same indexes, and sync each
commit to disk. Ours finds full batches, as they arise under load, and commits twice for each
(claims, then outcomes, so that a crash is noticed); its peers commit once for each event.
"""

from collections.abc import Callable
from functools import partial

from core.queue import BATCH_EVENTS
from tests.bench import our_worker, rq_peer
from tests.bench.bench import Bench
from tests.bench.ledgers import postgres, postgres_ledger, sqlite_ledger
from tests.bench.rows import Row, Target, at_least, per_second, ratio_of_rounds

_OURS = 200 * BATCH_EVENTS
_RQ = 1_500


def measure(bench: Bench) -> list[Row]:
    """On SQLite and on PostgreSQL."""
    rows = _compare(bench, "SQLite", partial(sqlite_ledger, bench), at_least(15))
    with postgres(bench) as server:
        return rows + _compare(bench, "PostgreSQL", partial(postgres_ledger, server), at_least(10))


def _compare(
    bench: Bench, database: str, new_ledger: Callable[[], str], target: Target
) -> list[Row]:
    rates = bench.take_turns(
        {
            "ours": lambda: our_worker.rate(bench, new_ledger(), events=_OURS),
            "RQ": lambda: rq_peer.rate_with_ledger(bench, new_ledger(), events=_RQ),
        }
    )
    ours, theirs = rates["ours"], rates["RQ"]
    return [
        Row(
            f"dispatch, full batches, {database}",
            per_second(ours),
            "RQ SimpleWorker, same rows",
            per_second(theirs),
            ratio_of_rounds(ours, theirs),
            target,
        )
    ]
