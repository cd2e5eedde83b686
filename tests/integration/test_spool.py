"""The spool's file: order, bounds, and what becomes of it when the disk plays up."""

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.events import Arrival, Source, event_id
from core.queue import BATCH_EVENTS
from receiver.commit import BATCH_BYTES
from receiver.spool import Spool
from receiver.spool_errors import SpoolError
from receiver.spool_file import SpoolFile
from tests.support.deliveries import body_of
from tests.support.spools import bodies_in, spooled_in
from tests.support.waiting import wait_until

MEBIBYTE = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool is; not there yet."""
    return tmp_path / "new" / "data"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    """An empty spool."""
    with closing(Spool(folder, max_bytes=64 * MEBIBYTE)) as opened:
        yield opened


@pytest.fixture
def other(folder: Path) -> Iterator[Spool]:
    """The same spool, as another process sees it."""
    with closing(Spool(folder, max_bytes=64 * MEBIBYTE)) as opened:
        yield opened


def arrival_of(raw: bytes) -> Arrival:
    return Arrival(event_id(raw), raw, datetime.now(UTC), Source.WEBHOOK)


def arrivals(count: int, size: int = 10) -> list[Arrival]:
    return [arrival_of(body_of(n=n, at=count, padding="x" * size)) for n in range(count)]


def files_beside(folder: Path) -> list[str]:
    """The names of what was moved aside, without the time."""
    return sorted(path.name[:16] for path in folder.glob("spool.db.corrupt-*Z"))


def test_gives_back_what_it_took(spool: Spool) -> None:
    put_in = [*arrivals(3), arrival_of(b"\x00\xff"), arrival_of(b"")]

    assert spool.append(put_in) == {arrival.id for arrival in put_in}

    assert spool.oldest().arrivals == put_in


def test_keeps_an_event_once(spool: Spool, other: Spool) -> None:
    first, second, third = arrivals(3)
    spool.append([first, second])

    assert other.append([second, third, third, first]) == {third.id}

    assert spool.oldest().arrivals == [first, second, third]
    assert spool.left() == 3


def test_takes_an_event_again_after_it_has_left(spool: Spool) -> None:
    (event,) = arrivals(1)
    spool.append([event])
    spool.delete(spool.oldest().position)

    assert spool.append([event]) == {event.id}
    assert spool.left() == 1


def test_is_read_in_batches_and_in_order(spool: Spool) -> None:
    put_in = arrivals(BATCH_EVENTS * 2 + 5)
    spool.append(put_in)
    read, position = [], None

    while (batch := spool.oldest(position)).arrivals:
        assert len(batch.arrivals) <= BATCH_EVENTS
        read += batch.arrivals
        position = batch.position

    assert read == put_in


def test_a_batch_is_bounded_by_bytes_but_holds_at_least_one_event(spool: Spool) -> None:
    small, huge, *large = [*arrivals(1), *arrivals(1, BATCH_BYTES + 1), *arrivals(3, 2 * MEBIBYTE)]
    spool.append([small, huge, *large])
    read, position = [], None

    while (batch := spool.oldest(position)).arrivals:
        read.append(batch.arrivals)
        position = batch.position

    assert read == [[small], [huge], large[:1], large[1:2], large[2:]]


def test_counts_what_is_left(spool: Spool) -> None:
    assert spool.left() == 0
    spool.append(arrivals(BATCH_EVENTS + 10))
    assert spool.left() == BATCH_EVENTS + 10

    spool.delete(spool.oldest().position)

    assert spool.left() == 10


def test_only_this_user_can_read_it(spool: Spool, folder: Path) -> None:
    spool.append(arrivals(1))

    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert modes == {0o600}


def test_takes_all_or_nothing_when_it_may_not_grow(folder: Path) -> None:
    with closing(Spool(folder, max_bytes=MEBIBYTE)) as spool:
        kept = arrivals(4, 200_000)
        spool.append(kept)

        with pytest.raises(SpoolError, match="SPOOL_MAX_BYTES is reached"):
            spool.append([*arrivals(10), *arrivals(3, 100_000)])

        assert spool.oldest().arrivals == kept
        assert (folder / "spool.db").stat().st_size <= MEBIBYTE


def test_the_bound_is_one_for_all(folder: Path) -> None:
    spools = [Spool(folder, max_bytes=MEBIBYTE) for _ in range(2)]
    for number in range(8):
        spools[number % 2].append([arrival_of(b"%d" % number + b"x" * 120_000)])

    for spool in spools:
        with pytest.raises(SpoolError, match="SPOOL_MAX_BYTES is reached"):
            spool.append(arrivals(1, 100_000))
        spool.close()


def test_has_room_again_when_events_have_left(folder: Path) -> None:
    with closing(Spool(folder, max_bytes=MEBIBYTE)) as spool:
        for number in range(20):
            spool.append([arrival_of(b"%d" % number + b"x" * 900_000)])
            spool.delete(spool.oldest().position)

        assert spool.left() == 0
        spool.try_to_write()


def test_says_whether_there_is_room(folder: Path) -> None:
    with closing(Spool(folder, max_bytes=MEBIBYTE)) as spool:
        spool.try_to_write()
        spool.append([arrival_of(b"x" * 1_015_000)])

        with pytest.raises(SpoolError, match="SPOOL_MAX_BYTES is reached"):
            spool.try_to_write()

        assert spool.left() == 1


def test_gives_the_disk_back(spool: Spool, folder: Path) -> None:
    for n in range(5):
        spool.append([arrival_of(b"%d" % n + b"x" * 4 * MEBIBYTE)])
    while (batch := spool.oldest()).arrivals:
        spool.delete(batch.position)

    spool.shrink()

    assert sum(path.stat().st_size for path in folder.iterdir()) < MEBIBYTE


def test_the_write_ahead_log_stays_small(spool: Spool, other: Spool, folder: Path) -> None:
    sizes = []
    for number in range(60):
        spool.append([arrival_of(b"%d" % number + b"x" * 900_000)])
        other.oldest()
        sizes.append((folder / "spool.db-wal").stat().st_size)

    assert max(sizes) < 12 * MEBIBYTE


def test_several_write_and_one_drains_at_the_same_time(folder: Path) -> None:
    put_in = arrivals(2000)
    drained: list[Arrival] = []

    def write(share: list[Arrival]) -> None:
        with closing(Spool(folder, max_bytes=64 * MEBIBYTE)) as spool:
            for start in range(0, len(share), 20):
                spool.append(share[start : start + 20])

    writers = [threading.Thread(target=write, args=(put_in[n::4],)) for n in range(4)]
    for writer in writers:
        writer.start()
    with closing(Spool(folder, max_bytes=64 * MEBIBYTE)) as spool:
        while any(writer.is_alive() for writer in writers) or spool.left():
            batch = spool.oldest()
            drained += batch.arrivals
            spool.delete(batch.position)

    assert len(drained) == 2000
    for n in range(4):
        share = put_in[n::4]
        ids = {arrival.id for arrival in share}
        assert [arrival for arrival in drained if arrival.id in ids] == share


@pytest.mark.parametrize("damage", [b"this is no database", b"\x00" * 8192])
def test_a_damaged_file_is_moved_aside_and_kept(folder: Path, spool: Spool, damage: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "spool.db").write_bytes(b"damaged " + damage * 100)
    put_in = arrivals(2)

    assert spool.append(put_in) == {arrival.id for arrival in put_in}

    assert spool.oldest().arrivals == put_in
    (aside,) = folder.glob("spool.db.corrupt-*Z")
    assert aside.read_bytes() == b"damaged " + damage * 100


def test_a_file_that_is_damaged_while_it_is_open_is_moved_aside(
    folder: Path, spool: Spool, other: Spool
) -> None:
    spool.append(arrivals(500, 1000))
    other.left()
    _checkpoint(folder)
    with (folder / "spool.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 400_000)

    put_in = arrivals(3)
    spool.append(put_in)
    later = arrivals(2)
    other.append(later)

    assert files_beside(folder) == ["spool.db.corrupt"]
    assert spool.oldest().arrivals == [*put_in, *later]


def _checkpoint(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "spool.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def test_what_another_process_has_moved_aside_is_not_written_to(
    folder: Path, spool: Spool, other: Spool
) -> None:
    spool.append(arrivals(2))
    for path in folder.glob("spool.db*"):
        path.rename(folder / path.name.replace("spool.db", "moved"))
    put_in = arrivals(3)

    other.append(put_in)
    later = arrivals(4)
    spool.append(later)

    assert spooled_in(folder) == [arrival.raw for arrival in [*put_in, *later]]
    spool.close()
    assert spooled_in(folder) == [arrival.raw for arrival in [*put_in, *later]]


def test_what_is_taken_after_a_file_has_been_moved_aside_is_in_the_next(
    folder: Path, spool: Spool
) -> None:
    file = SpoolFile(folder, max_bytes=64 * MEBIBYTE)
    taken: list[bytes] = []
    stopping = threading.Event()

    def take() -> None:
        while not stopping.is_set():
            arrival = arrival_of(body_of())
            spool.append([arrival])
            taken.append(arrival.raw)

    writer = threading.Thread(target=take)
    writer.start()
    firsts = []
    for _ in range(20):
        target = len(taken) + 3
        wait_until(lambda n=target: len(taken) >= n, "some events")  # type: ignore[misc]
        file.set_aside(file.identity(), sqlite3.DatabaseError("damaged"))
        firsts.append(len(taken))
    wait_until(lambda: len(taken) > firsts[-1], "one more")
    stopping.set()
    writer.join()

    files = [*sorted(folder.glob("spool.db.corrupt-*Z")), folder / "spool.db"]
    kept = [set(bodies_in(path)) for path in files]
    behind = [n for n, first in enumerate(firsts, 1) if taken[first] not in set().union(*kept[n:])]
    # One or another may have been taken in time, and noted down late.
    assert len(behind) < 5


def test_a_position_in_another_file_means_nothing(folder: Path, spool: Spool) -> None:
    spool.append(arrivals(5))
    position = spool.oldest().position
    (folder / "spool.db").rename(folder / "moved")
    put_in = arrivals(4)
    spool.append(put_in)

    spool.delete(position)

    assert spool.oldest(position).arrivals == put_in


def test_a_folder_that_cannot_be_used_is_named_and_tried_again(tmp_path: Path) -> None:
    obstacle = tmp_path / "data"
    obstacle.write_bytes(b"")
    with closing(Spool(obstacle, max_bytes=MEBIBYTE)) as spool:
        with pytest.raises(SpoolError, match="can't use the spool in DATA_DIR"):
            spool.append(arrivals(1))
        obstacle.unlink()

        spool.append(arrivals(1))

    assert len(spooled_in(obstacle)) == 1


def test_a_file_of_another_kind_is_left_alone(folder: Path, spool: Spool) -> None:
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "spool.db")) as connection:
        connection.execute("CREATE TABLE event (body TEXT)")

    with pytest.raises(SpoolError, match="of another version"):
        spool.append(arrivals(1))

    assert files_beside(folder) == []


def test_a_spool_that_another_keeps_locked_is_given_up_on_after_a_second(
    folder: Path, spool: Spool
) -> None:
    spool.append(arrivals(1))
    with closing(sqlite3.connect(folder / "spool.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpoolError, match="another process keeps the spool locked"):
            spool.append(arrivals(2))
        connection.execute("ROLLBACK")

    assert len(spool.append(arrivals(2))) == 2
