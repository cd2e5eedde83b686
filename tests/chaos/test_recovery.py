"""How long a recovery took is read from what the ledger says of the attempts."""

from tests.chaos.monkey import Trouble
from tests.chaos.plan import Kind
from tests.chaos.processes import End
from tests.chaos.recovery import Crash, recoveries, slowest

KILL = End("worker", 4711, 1000.0, -9)


def crash(again_at: float, *, pid: int = 4711) -> Crash:
    return Crash("evt_1", "chaos.note", f"some-host-{pid}-a1b2c3", again_at)


def test_it_lasts_until_the_last_of_the_workers_deliveries_is_begun_again() -> None:
    (recovery,) = recoveries([KILL], [crash(1031.0), crash(1042.0), crash(1035.0)], [])

    assert (recovery.seconds, recovery.deliveries, recovery.was_calm) == (42.0, 3, True)


def test_another_workers_deliveries_do_not_count() -> None:
    assert recoveries([KILL], [crash(1031.0, pid=4712)], []) == []


def test_what_was_begun_again_before_the_kill_does_not_count() -> None:
    (recovery,) = recoveries([KILL], [crash(990.0), crash(1031.0)], [])

    assert recovery.deliveries == 1


def test_an_outage_meanwhile_is_told_apart() -> None:
    outage = Trouble(Kind.STOP_REDIS, 1010.0, 1015.0)

    (recovery,) = recoveries([KILL], [crash(1050.0)], [outage])

    assert not recovery.was_calm


def test_a_blink_an_earlier_outage_and_a_slow_api_are_no_excuse() -> None:
    troubles = [
        Trouble(Kind.KILL_REDIS, 1010.0, 1010.4),
        Trouble(Kind.STOP_REDIS, 980.0, 999.0),
        Trouble(Kind.API_LATE, 1010.0, 1030.0),
    ]

    (recovery,) = recoveries([KILL], [crash(1050.0)], troubles)

    assert recovery.was_calm


def test_the_slowest_of_none_is_none() -> None:
    assert slowest([]) is None
    assert slowest(recoveries([KILL], [crash(1031.0)], [])) == 31.0
