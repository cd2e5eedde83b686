"""The parts of the benchmark, in the order in which they run."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from tests.bench.bench import Bench
from tests.bench.rows import Line

Measure = Callable[[Bench], Sequence[Line]]

#: Each is a module here with a function `measure`; imported when it runs.
NAMES: tuple[str, ...] = (
    "ingest",
    "dispatch",
    "backlog",
    "calls",
    "api",
    "latency",
    "redis_memory",
    "memory",
    "growth",
    "startup",
    "capacity",
)


#: Where a part's figures are written, if not to the usual page.
DOCUMENTS: Mapping[str, str] = {"capacity": "capacity.md"}


def load(names: tuple[str, ...]) -> Mapping[str, Measure]:
    """The functions of these parts, by name."""
    return {name: import_module(f"tests.bench.{name}").measure for name in names}
