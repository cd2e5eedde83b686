"""What an operator means, or why it can't be meant."""

import pytest

from core.events import EventId, EventRef
from core.ledger.models import DeliveryStatus
from core.ledger.shares import Share
from ops.choices import Choice, to_replay, to_resolve

EVENT = EventId("evt_1")
S = DeliveryStatus

CHECK = (
    "check whether it took effect; if it did: ecomlinx-hooks dead resolve evt_1 --handler b --as"
    " succeeded, if not: ecomlinx-hooks dead replay evt_1 --handler b --uncertain"
)

DEAD = (
    "evt_1 a is dead, it had no success to confirm; once the cause is mended: ecomlinx-hooks dead"
    " replay evt_1 --handler a; where it has been dealt with otherwise: resolve it --as skipped"
)


@pytest.mark.parametrize(
    ("statuses", "handler", "uncertain", "replayed", "remarks"),
    [
        ({"a": S.DEAD}, None, False, ["a"], []),
        ({"a": S.DEAD, "b": S.DEAD}, None, False, ["a", "b"], []),
        ({"a": S.DEAD, "b": S.DEAD}, "b", False, ["b"], []),
        ({"a": S.DEAD, "b": S.SUCCEEDED, "c": S.SKIPPED}, None, False, ["a"], []),
        ({"a": S.SUCCEEDED}, None, False, [], ["evt_1 a is succeeded: nothing to replay"]),
        (
            {"a": S.DEAD, "b": S.SKIPPED},
            "b",
            False,
            [],
            ["evt_1 b is skipped: nothing to replay"],
        ),
        (
            {"a": S.DEAD, "b": S.RETRYING},
            None,
            False,
            ["a"],
            ["evt_1 b is retrying: it goes on by itself"],
        ),
        ({"a": S.RUNNING}, None, True, [], ["evt_1 a is running: it goes on by itself"]),
        ({"b": S.UNCERTAIN}, None, False, [], [f"evt_1 b is uncertain: {CHECK}"]),
        ({"a": S.DEAD, "b": S.UNCERTAIN}, None, True, ["a", "b"], []),
        ({}, None, False, [], ["evt_1 has no deliveries: no handler is for it"]),
        (
            {"a": S.DEAD, "b": S.DEAD},
            "c",
            False,
            [],
            ["evt_1 has no delivery for c, only for a, b"],
        ),
    ],
)
def test_what_is_replayed_of_an_event(
    statuses: dict[str, DeliveryStatus],
    handler: str | None,
    uncertain: bool,
    replayed: list[str],
    remarks: list[str],
) -> None:
    choice = to_replay(EVENT, statuses, handler=handler, uncertain=uncertain)

    assert choice == Choice([Share(EventRef(EVENT), name) for name in replayed], remarks)


@pytest.mark.parametrize(
    ("statuses", "handler", "outcome", "chosen"),
    [
        ({"a": S.UNCERTAIN}, None, S.SUCCEEDED, Share(EventRef(EVENT), "a")),
        ({"a": S.SUCCEEDED, "b": S.UNCERTAIN}, None, S.SUCCEEDED, Share(EventRef(EVENT), "b")),
        ({"a": S.DEAD, "b": S.UNCERTAIN}, None, S.SUCCEEDED, Share(EventRef(EVENT), "b")),
        ({"a": S.DEAD}, None, S.SKIPPED, Share(EventRef(EVENT), "a")),
        ({"a": S.UNCERTAIN, "b": S.UNCERTAIN}, "b", S.SKIPPED, Share(EventRef(EVENT), "b")),
        (
            {"a": S.DEAD, "b": S.UNCERTAIN},
            None,
            S.SKIPPED,
            "evt_1 has several that wait for a person: say which, --handler a or --handler b",
        ),
        (
            {"a": S.DEAD},
            None,
            S.SUCCEEDED,
            DEAD,
        ),
        (
            {"a": S.SUCCEEDED, "b": S.RETRYING},
            None,
            S.SKIPPED,
            "evt_1 a is succeeded: nothing to resolve; evt_1 b is retrying: nothing to resolve",
        ),
        ({"a": S.UNCERTAIN}, "c", S.SKIPPED, "evt_1 has no delivery for c, only for a"),
        ({}, None, S.SKIPPED, "evt_1 has no deliveries: no handler is for it"),
    ],
)
def test_what_is_resolved_of_an_event(
    statuses: dict[str, DeliveryStatus],
    handler: str | None,
    outcome: DeliveryStatus,
    chosen: Share | str,
) -> None:
    assert to_resolve(EVENT, statuses, handler=handler, outcome=outcome) == chosen
