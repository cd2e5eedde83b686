"""Group commit, where what keeps the events takes its time."""

import asyncio
from collections.abc import Sequence

import pytest

from core.events import Arrival, EventId
from receiver import commit
from receiver.commit import BufferFullError, CommitError, GroupCommitter, Verdict
from tests.support.ledgers import arrival_of


class _SlowKeeper:
    """Keeps a batch once it is told to."""

    most_events = 64

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go = asyncio.Event()

    async def keep(self, arrivals: Sequence[Arrival]) -> set[EventId]:
        """Wait, then keep everything."""
        self.batches.append(len(arrivals))
        await self.go.wait()
        return {arrival.id for arrival in arrivals}

    def close(self) -> None:
        """Nothing is left open."""


def _start(keeper: _SlowKeeper, buffer_bytes: int = 1_000_000) -> GroupCommitter:
    committer = GroupCommitter(keeper, buffer_bytes=buffer_bytes)
    committer.start()
    return committer


def test_nobody_waits_longer_than_senders_have_patience_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commit, "PATIENCE_SECONDS", 0.2)

    async def scene() -> None:
        keeper = _SlowKeeper()
        committer = _start(keeper)
        in_flight = committer.commit(arrival_of())
        await asyncio.sleep(0.05)
        waiting = committer.commit(arrival_of())

        for answer in (in_flight, waiting):
            with pytest.raises(CommitError):
                await answer
        # What was given up on is kept all the same: the sender doesn't know that it wasn't.
        keeper.go.set()
        await committer.close()
        assert keeper.batches == [1, 1]

    asyncio.run(scene())


def test_what_arrives_during_a_commit_makes_up_the_next() -> None:
    async def scene() -> None:
        keeper = _SlowKeeper()
        committer = _start(keeper)
        answers = [committer.commit(arrival_of())]
        await asyncio.sleep(0.05)
        answers += [committer.commit(arrival_of()) for _ in range(70)]
        keeper.go.set()

        assert await asyncio.gather(*answers) == [Verdict.ACCEPTED] * 71
        assert keeper.batches == [1, 64, 6]
        await committer.close()

    asyncio.run(scene())


def test_takes_no_more_than_its_buffer_holds() -> None:
    async def scene() -> None:
        keeper = _SlowKeeper()
        arrival = arrival_of()
        committer = _start(keeper, buffer_bytes=len(arrival.raw))
        answer = committer.commit(arrival)

        with pytest.raises(BufferFullError):
            committer.commit(arrival_of())
        keeper.go.set()
        assert await answer is Verdict.ACCEPTED
        await committer.close()

    asyncio.run(scene())
