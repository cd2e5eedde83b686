"""What a benchmark has found, and what it was to reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Protocol

#: What stands in one line, or above it.
Cells = tuple[str, ...]


class Line(Protocol):
    """One line of a table, which knows what stands above it."""

    @property
    def headings(self) -> Cells:
        """What stands above the cells; the same for all lines of a table."""

    @property
    def cells(self) -> Cells:
        """What stands in the line."""


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

    headings: ClassVar[Cells] = (
        *("what", "ours", "compared with", "theirs", "value"),
        *("to reach", "reached"),
    )

    @property
    def cells(self) -> Cells:
        """What stands in the table."""
        value = "" if self.value is None else f"{self.value:.3g}"
        target = str(self.target or "")
        return (
            *(self.what, self.ours, self.compared_with, self.theirs, value),
            *(target, self.verdict),
        )

    @property
    def verdict(self) -> str:
        """``yes`` or ``no``; empty where there is no target."""
        if self.target is None or self.value is None:
            return ""
        return "yes" if self.target.is_reached_by(self.value) else "no"


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one event costs in one respect.

    Attributes:
        what: Of what, and in which unit.
        full: In full batches.
        single: Alone in its job.
    """

    what: str
    full: float
    single: float

    headings: ClassVar[Cells] = ("for one event", "in full batches", "alone")

    @property
    def cells(self) -> Cells:
        """What stands in the table."""
        return self.what, _figure(self.full), _figure(self.single)


def ratio_of_rounds(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios round by round: the machine's speed drifts between rounds."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def per_second(values: Sequence[float]) -> str:
    """The median of rates, for people."""
    rate = median(values)
    return f"{rate / 1000:.1f} k/s" if rate >= 1000 else f"{rate:.0f}/s"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
