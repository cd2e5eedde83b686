"""A burst of 1,000 orders that handlers need whole and change, within the limits of the API.

Four worker processes, a scheduler, a ledger in PostgreSQL, and a local EcomLinx that keeps to the
limits of the Scale plan as strictly as they can be read: two windows that slide. Once on a good
day; and once on a bad one, on which EcomLinx also refuses, fails and is late for reasons of its
own, and handlers adjust stock. All is told by EcomLinx's record of its calls and by the ledger.
Of several rounds, the worst counts.
"""

from collections.abc import Sequence

from handlers.testing import Plan
from handlers.testing.api.limits import PLAN_WINDOWS
from tests.bench import allowance, burst
from tests.bench.bench import Bench
from tests.bench.burst import Story
from tests.bench.ledgers import postgres, postgres_ledger
from tests.bench.rows import Row, Target, at_least, at_most

_ORDERS = 1_000

#: What is told are counts, which hardly differ between rounds; and a round takes four minutes.
_MOST_ROUNDS = 2

_MINUTE, _SECOND = _WINDOWS = PLAN_WINDOWS[Plan.SCALE]


def measure(bench: Bench) -> list[Row]:
    """On a good day, and on a bad one."""
    good: list[Story] = []
    bad: list[Story] = []
    rounds = min(bench.rounds, _MOST_ROUNDS)
    with postgres(bench) as server:
        for number in range(1, rounds + 1):
            for stories, trouble in ((good, False), (bad, True)):
                day = "bad" if trouble else "good"
                stories.append(burst.run(bench, postgres_ledger(server), _ORDERS, trouble=trouble))
                bench.say(f"  round {number}/{rounds}, {day} day: {_in_short(stories[-1])}")
    return rows_of(good, bad)


def rows_of(good: Sequence[Story], bad: Sequence[Story]) -> list[Row]:
    """The table: of each figure, the worst of the rounds."""
    return [
        _pages("good day", good, at_most(20)),
        _refused("good day", good),
        _pace("good day", good, at_least(0.95)),
        _promptness("good day", good, at_least(0.95)),
        _slowest("good day", good, at_most(1.1)),
        _done("good day", good, at_least(1)),
        _count("good day: changes made twice", [story.repeated for story in good]),
        _refused("bad day", bad),
        _count("bad day: orders lost", [story.lost for story in bad]),
        _count("bad day: pieces adjusted twice or not at all", [s.adjusted_amiss for s in bad]),
        _done("bad day", bad),
        _doubtful("bad day", bad),
        _pages("bad day", bad),
        _pace("bad day", bad),
        _promptness("bad day", bad),
        _slowest("bad day", bad),
    ]


def _pages(day: str, stories: Sequence[Story], target: Target | None = None) -> Row:
    most = max(stories, key=lambda story: story.api.lists)
    each = f"{most.pages_to_read:,}"
    what = f"{day}: pages of orders read"
    return Row(what, str(most.api.lists), "each handler for itself", each, most.api.lists, target)


def _refused(day: str, stories: Sequence[Story]) -> Row:
    return _count(f"{day}: calls refused with 429", [story.api.refused for story in stories])


def _count(what: str, found: Sequence[int]) -> Row:
    """Of what there should be nothing."""
    return Row(what, str(max(found)), value=max(found), target=at_most(0))


def _pace(day: str, stories: Sequence[Story], target: Target | None = None) -> Row:
    least = min(allowance.pace(story.api.times, _SECOND, _MINUTE) for story in stories)
    what = f"{day}: calls until the minute's are spent"
    ours = f"{least * _SECOND.calls:.1f}/s"
    return Row(what, ours, "the limit", f"{_SECOND.calls}/s", least, target)


def _promptness(day: str, stories: Sequence[Story], target: Target | None = None) -> Row:
    least = min(stories, key=lambda story: allowance.promptness(story.api.times, _WINDOWS))
    times = least.api.times
    return Row(
        f"{day}: seconds for all of the {len(times):,} calls",
        f"{times[-1] - times[0]:.1f} s",
        "what the limits make necessary",
        f"{_necessary(least):.1f} s",
        allowance.promptness(times, _WINDOWS),
        target,
    )


def _slowest(day: str, stories: Sequence[Story], target: Target | None = None) -> Row:
    story = max(stories, key=lambda story: story.slowest / _necessary(story))
    return Row(
        f"{day}: slowest handler, from queued to done",
        f"{story.slowest:.1f} s",
        "what the limits make necessary",
        f"{_necessary(story):.1f} s",
        story.slowest / _necessary(story),
        target,
    )


def _done(day: str, stories: Sequence[Story], target: Target | None = None) -> Row:
    least = min(story.done for story in stories)
    told = f"{least:,} of {_ORDERS:,}"
    return Row(f"{day}: orders done", told, value=least / _ORDERS, target=target)


def _doubtful(day: str, stories: Sequence[Story]) -> Row:
    most = max(len(story.in_doubt) for story in stories)
    return Row(f"{day}: orders in doubt, of which people are told", str(most))


def _necessary(story: Story) -> float:
    return allowance.earliest(len(story.api.calls), _WINDOWS)[-1]


def _in_short(story: Story) -> str:
    api = story.api
    return (
        f"{len(api.calls)} calls, {api.lists} pages, {api.refused} refused,"
        f" {allowance.pace(api.times, _SECOND, _MINUTE):.3f} of the pace,"
        f" {api.times[-1] - api.times[0]:.1f} s, slowest {story.slowest:.1f} s,"
        f" {story.done} done, {len(story.in_doubt)} in doubt, {story.lost} lost"
    )
