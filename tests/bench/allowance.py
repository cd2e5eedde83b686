"""What sliding windows allow, and how much of it was used."""

from collections.abc import Sequence

from handlers.testing import Window


def earliest(calls: int, windows: Sequence[Window]) -> Sequence[float]:
    """When each of so many calls could be made at the earliest, in seconds after the first."""
    times: list[float] = []
    for number in range(calls):
        leaving = (
            times[number - window.calls] + window.seconds
            for window in windows
            if number >= window.calls
        )
        times.append(max(leaving, default=0.0))
    return times


def fullest(times: Sequence[float], window: Window) -> int:
    """How many calls lay within the window's length at most; `times` in their order, in seconds."""
    most = first = 0
    for number, time in enumerate(times):
        while time - times[first] >= window.seconds:
            first += 1
        most = max(most, number - first + 1)
    return most


def pace(times: Sequence[float], short: Window, long: Window) -> float:
    """The share of the short window's rate that was used until the long one was full.

    What the short window allows at once is not counted, but the calls that follow on it: for each
    of them another must have left the window before, so they can't be faster than the rate.
    """
    counted = times[short.calls - 1 : long.calls]
    rate = short.calls / short.seconds
    return (len(counted) - 1) / rate / (counted[-1] - counted[0])


def promptness(times: Sequence[float], windows: Sequence[Window]) -> float:
    """How long all calls had to take, as a share of how long they took."""
    return earliest(len(times), windows)[-1] / (times[-1] - times[0])
