"""A backlog of single events, as it arises at low load: each is a job of its own.

Ours records each in its SQLite ledger; stock RQ runs a job that does nothing, and records nothing.
Measured as `dispatch` is.
"""

from tests.bench import our_worker, peer_env, rq_peer
from tests.bench.bench import Bench
from tests.bench.ledgers import sqlite_ledger
from tests.bench.rows import Row, at_least, per_second, ratio_of_rounds

_EVENTS = 3_000


def measure(bench: Bench) -> list[Row]:
    """Against stock RQ without a ledger."""
    peer_env.install(bench)
    rates = bench.take_turns(
        {
            "ours": lambda: our_worker.rate(
                bench, sqlite_ledger(bench), events=_EVENTS, events_per_job=1
            ),
            "RQ": lambda: rq_peer.rate(bench, events=_EVENTS),
        }
    )
    ours, theirs = rates["ours"], rates["RQ"]
    return [
        Row(
            "backlog of single-event jobs, SQLite ledger",
            per_second(ours),
            "RQ SimpleWorker, no ledger",
            per_second(theirs),
            ratio_of_rounds(ours, theirs),
            at_least(1.5),
        )
    ]
