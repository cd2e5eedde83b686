"""What a run prints at its end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.monkey import Diary
from tests.chaos.plan import KILLS
from tests.chaos.processes import End, killed_by_handlers
from tests.chaos.recovery import PROMISED_SECONDS, Recovery, slowest
from tests.chaos.sender import Tally
from tests.chaos.verdict import Finding, Verdict


@dataclass(frozen=True)
class Result:
    """Everything about one run.

    Attributes:
        database: ``sqlite`` or ``postgresql``.
        events: How many were to be sent.
        settled_after: Seconds from the last act and the last acknowledgement until nothing was
            left to do; None if that never was.
        longest_wait: The longest time from an event's arrival to a handler's first beginning.
        replayed: Dead deliveries that were replayed, as an operator would.
    """

    database: str
    events: int
    tally: Tally
    diary: Diary
    ends: Sequence[End]
    verdict: Verdict
    recoveries: Sequence[Recovery]
    longest_wait: float
    seconds: float
    settled_after: float | None
    replayed: int

    @property
    def is_good(self) -> bool:
        """Tell whether the promises were kept."""
        return self.verdict.is_good and not self.tally.wrong_ids


def lines_of(result: Result) -> Iterator[str]:
    """What is to be listed, then the table, a row a line."""
    verdict, tally = result.verdict, result.tally
    yield from _listed("dead", verdict.dead)
    yield from _listed("uncertain", verdict.uncertain)
    yield from _listed("lost", verdict.lost)
    yield from _listed("doubled", verdict.doubled)
    yield from (f"contradiction: {words}" for words in verdict.contradictions)
    yield from (f"accepted under another id: event {n}" for n in sorted(tally.wrong_ids))
    yield f"{result.database}, {result.events:,} events"
    yield from (f"  {name:<18}{value}" for name, value in _rows(result))


def _rows(result: Result) -> Iterator[tuple[str, str]]:
    verdict, tally = result.verdict, result.tally
    yield "acked", f"{len(tally.acked):,}"
    yield "refused", f"{tally.answers[503]:,} answers 503, {tally.unanswered:,} without an answer"
    yield "slowest answer", f"{tally.slowest:.1f} s"
    if others := {code: n for code, n in tally.answers.items() if code not in (200, 202, 503)}:
        yield "other answers", _counts(others)
    if tally.given_up:
        yield "never accepted", f"{len(tally.given_up):,}"
    yield from _troubles(result)
    yield "lost", f"{len(verdict.lost):,}"
    yield "doubled", f"{len(verdict.doubled):,}"
    yield "uncertain", _by_words(verdict.uncertain)
    yield (
        "dead",
        f"{len(verdict.dead):,}" + (f" ({result.replayed} replayed)" * bool(result.replayed)),
    )
    yield "slowest recovery", _recovery(result.recoveries)
    yield "longest wait", f"{result.longest_wait:.0f} s from arrival to the first attempt"
    end = (
        "never" if result.settled_after is None else f"{result.settled_after:.0f} s after the last"
    )
    yield "all done", end
    yield "duration", f"{result.seconds:.0f} s"


def _troubles(result: Result) -> Iterator[tuple[str, str]]:
    kinds = Counter(trouble.kind for trouble in result.diary.troubles)
    kills = {str(kind): kinds[kind] for kind in KILLS}
    kills["worker by a handler"] = len(killed_by_handlers(result.ends))
    yield "kills", f"{sum(kills.values())}: {_counts(kills)}"
    others = {str(kind): count for kind, count in sorted(kinds.items()) if kind not in KILLS}
    yield "disturbances", f"{sum(others.values())}"
    yield from (("", f"{count:>4} {kind}") for kind, count in others.items())
    odd = [end for end in result.ends if end not in killed_by_handlers(result.ends)]
    if odd:
        yield "ended", _counts(Counter(f"{end.role} with {end.code}" for end in odd))


def _recovery(found: Sequence[Recovery]) -> str:
    calm = [recovery for recovery in found if recovery.was_calm]
    return (
        f"{_seconds(slowest(calm))} of {len(calm)} without an outage meanwhile"
        f" (promised: {PROMISED_SECONDS:.0f} s), {_seconds(slowest(found))} of all {len(found)}"
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def _counts(counts: "dict[str, int] | dict[int, int] | Counter[str]") -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _by_words(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.words.rpartition(", ")[2] for finding in findings)
    return f"{len(findings):,}" + (f": {_counts(counts)}" if counts else "")


def _listed(name: str, findings: Iterable[Finding]) -> Iterator[str]:
    yield from (f"{name}: {finding.event_id} {finding.words}" for finding in findings)
