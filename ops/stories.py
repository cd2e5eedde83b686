"""Events' stories as text for a terminal."""

from collections.abc import Iterator
from typing import Any

from core import advice
from core.events import Malformed, parse
from core.ledger.models import DeliveryStatus
from core.ledger.outcomes import DEFERRED

Story = dict[str, Any]


def summary(story: Story) -> tuple[str, ...]:
    """One event as a row of a table."""
    return (
        story["received_at"],
        story["id"],
        story["type"] or "(malformed)",
        story["entity"] or "-",
        ", ".join(f"{d['handler']} {d['status']}" for d in story["deliveries"]) or "-",
    )


def tell(story: Story) -> str:
    """One event's whole story, in the order in which it happened."""
    return "\n".join(_lines(story))


def _lines(story: Story) -> Iterator[str]:
    yield f"{story['id']}  {story['type'] or '(malformed)'}  {story['entity'] or ''}".rstrip()
    yield f"  created   {story['created_at'] or '-'}"
    yield f"  received  {story['received_at']} by {story['source']}"
    if story["malformed"]:
        parsed = parse(story["raw"].encode("utf-8", "replace"))
        reason = parsed.reason if isinstance(parsed, Malformed) else "not UTF-8"
        yield f"  malformed: {reason}. No handler sees it."
    yield "  body"
    yield from (f"    {line}" for line in story["raw"].splitlines() or ["(empty)"])
    if not story["deliveries"] and not story["malformed"]:
        yield "  No handler is for this event."
    for delivery in story["deliveries"]:
        yield ""
        yield from _delivery(story["id"], delivery)


def _delivery(event_id: str, delivery: Story) -> Iterator[str]:
    count = delivery["attempts"]
    yield f"  {delivery['handler']}: {delivery['status']} after {count} attempt{'s'[: count != 1]}"
    if delivery["note"]:
        yield f"    note  {delivery['note']}"
    if delivery["next_attempt_at"]:
        yield f"    next  {delivery['next_attempt_at']}"
    yield from _history(delivery)
    if advise := _ADVICE.get(delivery["status"]):
        yield f"    to do  {advise(event_id, delivery['handler'])}"


_ADVICE = {
    DeliveryStatus.DEAD: advice.for_dead,
    DeliveryStatus.UNCERTAIN: advice.for_uncertain,
}


def _history(delivery: Story) -> Iterator[str]:
    """Each attempt; of a great many deferrals not all are written down."""
    told = 0
    for attempt in delivery["history"]:
        yield from _unwritten(told + 1, attempt["number"] - 1)
        yield from _attempt(attempt)
        told = attempt["number"]
    is_running = delivery["status"] == DeliveryStatus.RUNNING
    yield from _unwritten(told + 1, delivery["attempts"] - is_running)


def _unwritten(first: int, last: int) -> Iterator[str]:
    if first < last:
        yield f"    #{first} to #{last}  {DEFERRED}"
    elif first == last:
        yield f"    #{first}  {DEFERRED}"


def _attempt(attempt: Story) -> Iterator[str]:
    took = "" if attempt["duration_ms"] is None else f" in {attempt['duration_ms']:.1f} ms"
    yield f"    #{attempt['number']}  {attempt['started_at']}  {attempt['result']}{took}"
    for call in attempt["api_calls"]:
        yield f"        {api_call(call)}"
    if error := attempt["error"]:
        yield f"        {error['type']}: {error['message']}"
        for line in (error["traceback"] or "").splitlines():
            yield f"        | {line}"


def api_call(call: Story) -> str:
    """One call of the API, as in ``PATCH /v1/orders/ord_1 200 (12 ms, after 840 ms of waiting)``.

    A wait that is shorter than a millisecond isn't worth a word.
    """
    ended = call["status"] if call["status"] is not None else call["error"]
    waited = call.get("waited_ms", 0)
    wait = f", after {waited:.0f} ms of waiting" if waited >= 1 else ""
    return f"{call['method']} {call['path']} {ended} ({call['duration_ms']:.0f} ms{wait})"
