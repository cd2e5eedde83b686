"""What a benchmark has found, and what it was to reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for a ratio or a value; whether it is reached is told, never asserted."""

    bound: float
    at_least: bool

    def is_reached_by(self, value: float) -> bool:
        """Tell whether a value is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        """Write it as the tables do."""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


def at_least(bound: float) -> Target:
    """A target that is to be reached or exceeded."""
    return Target(bound, at_least=True)


def at_most(bound: float) -> Target:
    """A target that is not to be exceeded."""
    return Target(bound, at_least=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        what: What was measured, such as ``ingest, 32 connections``.
        ours: Our median, with its unit.
        compared_with: What it is compared with; empty where the value itself is the point.
        theirs: Its median, with its unit.
        value: What the target is about: a ratio, or our value alone.
        target: What was to be reached; None for what is only reported.
    """

    what: str
    ours: str
    compared_with: str = ""
    theirs: str = ""
    value: float | None = None
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """``yes`` or ``no``; empty where there is no target."""
        if self.target is None or self.value is None:
            return ""
        return "yes" if self.target.is_reached_by(self.value) else "no"


def ratio_of_rounds(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios round by round: the machine's speed drifts between rounds."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def per_second(values: Sequence[float]) -> str:
    """The median of rates, for people."""
    rate = median(values)
    return f"{rate / 1000:.1f} k/s" if rate >= 1000 else f"{rate:.0f}/s"
