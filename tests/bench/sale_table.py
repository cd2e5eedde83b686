"""Tells the course of a sale in a dozen lines."""

from collections.abc import Iterator, Sequence

from tests.bench.columns import amount, as_columns, duration, size
from tests.bench.sale import Sale, Second, Speed, simulate

_MOST_LINES = 14
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600)


def told(sale: Sale, speed: Speed, queued_bytes: float, workers: str) -> str:
    """What waits over time, and at its worst.

    Args:
        sale: What arrives.
        speed: What holds back.
        queued_bytes: Redis memory of an event that waits.
        workers: What works on it, in words.
    """
    seconds, is_worked_off = simulate(sale, speed)
    return "\n\n".join(
        (
            f"{workers}: {amount(speed.workers)} events/s; {_allowed(speed)}",
            as_columns([_HEADINGS, *_lines(seconds)]),
            _worst(seconds, queued_bytes, is_worked_off=is_worked_off),
        )
    )


_HEADINGS = ("after", "arrive", "done", "waiting", "the oldest for")


def _allowed(speed: Speed) -> str:
    if not speed.calls:
        return "no calls to EcomLinx"
    return f"EcomLinx API: {amount(speed.calls_per_minute / 60 / speed.calls)} events/s"


def _lines(seconds: Sequence[Second]) -> Iterator[tuple[str, ...]]:
    step = next((step for step in _STEPS if len(seconds) / step <= _MOST_LINES), _STEPS[-1])
    for first in range(0, len(seconds), step):
        part = seconds[first : first + step]
        last = part[-1]
        yield (
            duration(last.number + 1),
            f"{amount(sum(second.arrived for second in part) / len(part))}/s",
            f"{amount(sum(second.done for second in part) / len(part))}/s",
            f"{last.waiting:,.0f}",
            duration(last.waited),
        )


def _worst(seconds: Sequence[Second], queued_bytes: float, *, is_worked_off: bool) -> str:
    most = max(seconds, key=lambda second: second.waiting)
    longest = max(second.waited for second in seconds)
    lines = (
        f"most that wait: {most.waiting:,.0f}, after {duration(most.number + 1)}",
        f"their Redis memory: {size(most.waiting * queued_bytes)}",
        f"longest wait: {duration(longest)}",
        f"{'' if is_worked_off else 'not '}all worked off after {duration(len(seconds))}",
    )
    return "\n".join(lines)
