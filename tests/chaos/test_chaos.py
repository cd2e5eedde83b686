"""A short run of `make chaos`: everything is killed and disturbed at least once."""

from collections import Counter

import pytest

from tests.chaos.plan import KILLS, Kind
from tests.chaos.report import lines_of
from tests.chaos.run import Order, run


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_is_lost_or_done_twice_whatever_is_killed(database: str) -> None:
    said: list[str] = []

    result = run(Order(400, database, kills=8, seconds_per_kill=1.5), said.append)

    story = "\n".join([*said, *lines_of(result)])
    assert result.is_good, story
    assert len(result.tally.acked) == 400, story
    assert result.settled_after is not None, story
    met = Counter(trouble.kind for trouble in result.diary.troubles)
    missing = set(Kind) - set(met)
    assert missing == ({Kind.CUT_DATABASE} if database == "sqlite" else set()), story
    assert [met[kind] for kind in KILLS] == [2, 2, 2, 2], story
