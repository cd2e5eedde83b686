"""One request to EcomLinx, as a value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

#: Segments that would be taken for a step in the path instead of a name.
_NOT_A_NAME = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of EcomLinx.

    Attributes:
        method: The HTTP method.
        segments: The path after ``/v1``, unquoted: an id among them can't change the path.
        query: Parameters; those that are None are left out.
        body: Sent as JSON.
        repeatable: Whether doing it twice has the same effect as doing it once.
        when_gone: The answer that a 404 stands for once an earlier try may have been carried out.
        once: Names the call by what it is and its arguments, where it must take effect once only
            however often its caller is begun anew; None where that doesn't matter.
    """

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str | int | None] = field(default_factory=dict, repr=False)
    body: Mapping[str, object] | None = field(default=None, repr=False)
    repeatable: bool = True
    when_gone: Mapping[str, object] | None = None
    once: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def path(self) -> str:
        """The path as it is sent, quoted and without the query."""
        return "/v1/" + "/".join(
            quote(segment, safe="", errors="replace") for segment in self.segments
        )

    @property
    def endpoint(self) -> str:
        """Method and path with ids taken out, such as ``PATCH /v1/orders/{id}``."""
        parts = (part if at % 2 == 0 else "{id}" for at, part in enumerate(self.segments))
        return f"{self.method} /v1/{'/'.join(parts)}"

    @property
    def is_write(self) -> bool:
        """Whether it changes anything at EcomLinx."""
        return self.method != "GET"

    @property
    def has_unusable_name(self) -> bool:
        """Whether a segment is empty or a dot segment, which no id can be."""
        return not _NOT_A_NAME.isdisjoint(self.segments)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One HTTP exchange with EcomLinx; a call that is tried three times makes three.

    Attributes:
        method: The HTTP method.
        path: The path, quoted and without the query.
        status: The HTTP status; None where no complete answer came.
        duration_ms: From sending to the answer's last byte, in milliseconds.
        error: What went wrong, in one line; None where nothing did.
        waited_ms: How long it had waited for its turn before, in milliseconds.
    """

    method: str
    path: str
    status: int | None
    duration_ms: float
    error: str | None
    waited_ms: float = 0.0


#: Told of each exchange, in the thread that made it; what it raises is logged and goes no further.
OnCall = Callable[[ApiCall], None]


class Once(Protocol):
    """Makes calls once that must take effect once only. Thread-safe."""

    def __call__(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        repeatable: bool,
        prepare: Callable[[], None],
    ) -> Any:
        """Return what `function` returned when it was called under this name, or call it now.

        Args:
            name: Which call it is, arguments included.
            function: Makes the call, and returns its answer as JSON knows it.
            repeatable: Whether making it twice has the same effect as making it once.
            prepare: Waits until it may be made, which can take seconds; to be called, if at all,
                while nothing says yet that the call has begun.
        """
