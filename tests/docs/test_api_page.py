"""The page about the API client: its examples run, and it has every call with what refuses it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core import api
from core.api import EcomLinx, EcomLinxError
from handlers.testing import LocalEcomLinx
from tests.integration.api.documented import CALLS, Documented
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
ROWS = [line for line in TEXT.splitlines() if line.startswith("| `")]

EXCEPTIONS = {"bad_request": "BadRequest", "not_found": "NotFound", "conflict": "Conflict"}


@dataclass
class Event:
    """What an example needs to know of an event."""

    received_at: datetime
    created_at: datetime | None = None


@pytest.fixture
def ecomlinx(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEcomLinx]:
    """A local EcomLinx, where each client goes that isn't told where."""
    with LocalEcomLinx() as local:
        monkeypatch.setattr(EcomLinx.__init__, "__defaults__", (local.url,))
        monkeypatch.setenv("ECOMLINX_API_KEY", local.api_key)
        yield local


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda code: code.strip().splitlines()[-1])
def test_an_example_runs(ecomlinx: LocalEcomLinx, redis_url: str, example: str) -> None:
    with EcomLinx(ecomlinx.api_key) as api:
        given = {
            "api": api,
            "api_key": ecomlinx.api_key,
            "redis_url": redis_url,
            "secret": "test-webhook-secret",
            "event": Event(datetime.now(UTC)),
            "Decimal": Decimal,
            "EcomLinx": EcomLinx,
        }
        exec(compile(example, "docs/api.md", "exec"), given)  # noqa: S102 - it is ours

    assert not [request for request in ecomlinx.requests if (request.status or 0) >= 400]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call_is_there_with_what_refuses_it(call: Documented) -> None:
    (first, *_) = rows = rows_of(call)

    for parameter in call.parameters:
        assert any(re.search(rf"\b{parameter}(_|\b)", row) for row in rows), parameter
    for code in call.refused:
        assert any(EXCEPTIONS[code] in row for row in rows), code
    assert first.startswith("| `")


def rows_of(call: Documented) -> list[str]:
    """The row that names the request, and those below it that say that theirs is the same."""
    begin = next(n for n, row in enumerate(ROWS) if re.search(rf"`{re.escape(str(call))}`", row))
    rows = [ROWS[begin]]
    for row in ROWS[begin + 1 :]:
        if "| the same" not in row:
            break
        rows.append(row)
    return rows


def test_every_exception_that_a_caller_may_meet_is_explained() -> None:

    known = [getattr(api, name) for name in api.__all__]
    errors = [kind for kind in known if isinstance(kind, type) and issubclass(kind, EcomLinxError)]

    assert [kind.__name__ for kind in errors if f"`{kind.__name__}`" not in TEXT] == []


def test_every_argument_of_a_client_is_explained() -> None:
    names = EcomLinx.__init__.__annotations__.keys() - {"return"}

    assert [name for name in names if not re.search(rf"^\| `{name}=?`", TEXT, re.MULTILINE)] == []
