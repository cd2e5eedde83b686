"""Whose turn it is: what a caller asks, and what it is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from core.api.gate import Priority
from core.api.usage import Usage

#: A shadow, the place of a caller that was sent away, bars newcomers until it is overdue by this.
#: Microseconds, like all times here.
SHADOW_GRACE = 10_000_000

#: So long after its time a caller that was sent away still has its place when it comes back.
SHADOW_LIFE = 600_000_000

#: At most so many callers have places while they are away; a day has 1.4 million calls.
SHADOWS_MAX = 50_000

#: A caller that waits asks again after this at the latest...
NAP = 500_000

#: ... and has lost its place, until it asks again, when it is late by this: it may be dead.
NAP_GRACE = 1_000_000

#: A process that has asked within this counts as one of those that share a key.
SHARER_LIFE = 600_000_000

#: Reconciliation gives way to those who are to come back within this.
SOON = 2_000_000

#: How long EcomLinx's 429 without a Retry-After keeps everyone from calling.
DEFAULT_PAUSE_SECONDS = 1.0


class Kind(StrEnum):
    """What a caller is to do."""

    GO = "go"
    WAIT = "wait"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Ask:
    """A caller asks whether its call may be sent; it does so until it is told to go or to leave.

    Attributes:
        call: The call's own id, the same each time.
        endpoint: What it is counted as.
        patience: How long it can still wait.
        flight: How long it can take, once it is sent, until it is certain not to arrive any more.
        waited: How long it has waited.
        caller: Who calls, the same in each attempt; empty for nobody in particular.
        ticket: The caller's place in the queue, as it was told before; 0 for a new one.
        inside: Whether the caller has been let through, or was told to come now: it only lets
            those with older tickets go first that are waiting.
        priority: Whether it goes only when nobody else wants to.
    """

    call: str
    endpoint: str
    patience: int
    flight: int
    waited: int = 0
    caller: str = ""
    ticket: int = 0
    inside: bool = False
    priority: Priority = Priority.HANDLERS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a caller is told.

    Attributes:
        kind: What to do.
        wait: How long: until it should ask again, or come back.
        ticket: Its place in the queue, to be shown when it asks again.
        inside: What to say the next time it asks.
    """

    kind: Kind
    wait: int
    ticket: int
    inside: bool


class Turns(Protocol):
    """Says whose turn it is. Thread-safe."""

    def ask(self, ask: Ask) -> Verdict:
        """Answer a caller."""

    def done(self, call: str) -> None:
        """Take note that a call has been answered, or won't be."""

    def pause(self, endpoint: str, duration: int) -> None:
        """Let nobody go for so long: EcomLinx answered 429."""

    def count_hit(self, endpoint: str) -> None:
        """Count a call that was spared."""

    def usage(self) -> Usage:
        """Return how much is used, and for what."""
