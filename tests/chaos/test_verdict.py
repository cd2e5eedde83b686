"""The verdict of a chaos run can be bad: each thing that must not happen is told from the rest."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from core.events import EventId
from core.ledger.models import DeliveryStatus
from tests.chaos.events import ChaosEvent
from tests.chaos.names import BARE, NOTE, STEP
from tests.chaos.verdict import Delivered, Evidence, Share, judge

PLAIN = ChaosEvent(EventId("evt_plain"), frozenset({NOTE}), b"")
SALE = ChaosEvent(EventId("evt_sale"), frozenset({NOTE, BARE}), b"", sku="TEE", delta=2)
RETURN = ChaosEvent(EventId("evt_return"), frozenset({NOTE, STEP}), b"", sku="TEE", delta=3)

SUCCEEDED = Delivered(DeliveryStatus.SUCCEEDED, successes=1)
UNCERTAIN = Delivered(DeliveryStatus.UNCERTAIN, "Unreachable: PATCH: the connection dropped")
DEAD = Delivered(DeliveryStatus.DEAD, "WorkerLost: 3 workers have died in this delivery")

#: A run in which everything went as promised.
GOOD = Evidence(
    events=[PLAIN, SALE, RETURN],
    acked={0, 1, 2},
    known={PLAIN.id, SALE.id, RETURN.id},
    deliveries={
        (PLAIN.id, NOTE): SUCCEEDED,
        (SALE.id, NOTE): SUCCEEDED,
        (SALE.id, BARE): SUCCEEDED,
        (RETURN.id, NOTE): SUCCEEDED,
        (RETURN.id, STEP): SUCCEEDED,
    },
    effects=Counter({("TEE", 2): 1, ("TEE", 3): 1}),
    stock_before={"TEE": 10, "CAP": 4},
    stock_after={"TEE": 15, "CAP": 4},
)


def with_deliveries(changes: Mapping[Share, Delivered], **others: object) -> Evidence:
    return replace(GOOD, deliveries={**GOOD.deliveries, **changes}, **others)  # type: ignore[arg-type]


def without_effect_of_the_sale() -> dict[str, object]:
    return {"effects": Counter({("TEE", 3): 1}), "stock_after": {"TEE": 13, "CAP": 4}}


def test_a_run_that_kept_its_promises_is_good() -> None:
    verdict = judge(GOOD)

    assert verdict.is_good
    assert (verdict.uncertain, verdict.dead) == ([], [])


def test_an_accepted_event_that_the_ledger_does_not_know_is_lost() -> None:
    evidence = replace(
        GOOD,
        known={SALE.id, RETURN.id},
        deliveries={share: d for share, d in GOOD.deliveries.items() if share[0] != PLAIN.id},
    )

    verdict = judge(evidence)

    assert [(f.event_id, f.words) for f in verdict.lost] == [
        (PLAIN.id, "accepted, but not in the ledger")
    ]
    assert not verdict.is_good


def test_an_event_that_was_never_accepted_and_never_kept_is_not_lost() -> None:
    evidence = replace(
        GOOD,
        acked={1, 2},
        known={SALE.id, RETURN.id},
        deliveries={share: d for share, d in GOOD.deliveries.items() if share[0] != PLAIN.id},
    )

    assert judge(evidence).is_good


def test_a_missing_delivery_is_lost() -> None:
    deliveries = dict(GOOD.deliveries)
    del deliveries[SALE.id, NOTE]

    verdict = judge(replace(GOOD, deliveries=deliveries))

    assert [f.words for f in verdict.lost] == [f"{NOTE}: no delivery"]


@pytest.mark.parametrize("status", [s for s in DeliveryStatus if not s.is_final])
def test_a_delivery_that_never_ended_is_lost(status: DeliveryStatus) -> None:
    verdict = judge(with_deliveries({(PLAIN.id, NOTE): Delivered(status)}))

    assert [f.words for f in verdict.lost] == [f"{NOTE}: still {status}"]


def test_a_delivery_that_was_skipped_for_no_reason_is_lost() -> None:
    verdict = judge(with_deliveries({(PLAIN.id, NOTE): Delivered(DeliveryStatus.SKIPPED)}))

    assert [f.event_id for f in verdict.lost] == [PLAIN.id]


def test_success_without_its_effect_is_lost() -> None:
    verdict = judge(replace(GOOD, **without_effect_of_the_sale()))  # type: ignore[arg-type]

    assert [f.words for f in verdict.lost] == [f"{BARE}: succeeded, but stock was not adjusted"]
    assert verdict.contradictions == ["stock of TEE is 13, and exactly once gives 15"]


def test_a_step_that_is_done_without_its_effect_is_lost() -> None:
    dead = replace(DEAD, is_step_done=True)

    verdict = judge(with_deliveries({(SALE.id, BARE): dead}, **without_effect_of_the_sale()))

    assert [f.event_id for f in verdict.lost] == [SALE.id]


def test_an_effect_that_was_made_twice_is_doubled() -> None:
    effects = Counter({("TEE", 2): 2, ("TEE", 3): 1})

    verdict = judge(replace(GOOD, effects=effects, stock_after={"TEE": 17, "CAP": 4}))

    assert [(f.event_id, f.words) for f in verdict.doubled] == [
        (SALE.id, "stock was adjusted 2 times")
    ]
    assert not verdict.is_good


def test_even_an_uncertain_delivery_must_not_have_its_effect_twice() -> None:
    effects = Counter({("TEE", 2): 2, ("TEE", 3): 1})

    verdict = judge(with_deliveries({(SALE.id, BARE): UNCERTAIN}, effects=effects))

    assert [f.event_id for f in verdict.doubled] == [SALE.id]


def test_a_delivery_that_succeeded_twice_is_doubled() -> None:
    twice = replace(SUCCEEDED, successes=2)

    verdict = judge(with_deliveries({(PLAIN.id, NOTE): twice}))

    assert [f.words for f in verdict.doubled] == [f"{NOTE}: succeeded 2 times"]


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({}, "chaos.adjust, Unreachable, stock adjusted once"),
        (without_effect_of_the_sale(), "chaos.adjust, Unreachable, stock not adjusted"),
    ],
)
def test_an_uncertain_delivery_is_listed_with_its_effect_and_is_no_fault(
    others: dict[str, object], words: str
) -> None:
    verdict = judge(with_deliveries({(SALE.id, BARE): UNCERTAIN}, **others))

    assert [f.words for f in verdict.uncertain] == [words]
    assert verdict.is_good


def test_a_dead_delivery_is_listed_and_is_no_fault() -> None:
    verdict = judge(with_deliveries({(PLAIN.id, NOTE): DEAD}))

    assert [f.words for f in verdict.dead] == ["chaos.note, WorkerLost"]
    assert verdict.is_good


def test_an_effect_that_nobody_asked_for_is_a_contradiction() -> None:
    effects = GOOD.effects + Counter({("CAP", 9): 1})

    verdict = judge(replace(GOOD, effects=effects, stock_after={"TEE": 15, "CAP": 13}))

    assert verdict.contradictions == [
        "CAP was adjusted by 9, which no event asked for",
        "stock of CAP is 13, and exactly once gives 4",
    ]


def test_an_effect_of_an_event_that_the_ledger_does_not_know_is_a_contradiction() -> None:
    evidence = replace(
        GOOD,
        acked={0, 2},
        known={PLAIN.id, RETURN.id},
        deliveries={share: d for share, d in GOOD.deliveries.items() if share[0] != SALE.id},
    )

    verdict = judge(evidence)

    assert "the ledger doesn't know evt_sale" in verdict.contradictions[0]
    assert not verdict.is_good


def test_stock_that_changed_without_a_call_is_a_contradiction() -> None:
    verdict = judge(replace(GOOD, stock_after={"TEE": 15, "CAP": 3}))

    assert verdict.contradictions == ["stock of CAP is 3, and exactly once gives 4"]
