"""One call as its handler sees it: path, query and body, read strictly."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from core.events import parse_time
from handlers.testing.shop.refusals import RefusedError

DEFAULT_LIMIT = 20
LIMIT_MAX = 100

_INTEGER = re.compile(r"[0-9]{1,9}")


class Body(BaseModel):
    """A request's body: types are not converted, fields that EcomLinx doesn't document are ignored.

    A field may be left out where it has a default, and must not be null.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


B = TypeVar("B", bound=Body)
E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted; the first is number 1."""

    number: int
    limit: int

    def of(self, entries: Sequence[T]) -> Sequence[T]:
        """Return the entries on this page."""
        first = (self.number - 1) * self.limit
        return entries[first : first + self.limit]

    def meta(self, total: int) -> dict[str, int]:
        """Return the `meta` of a list of so many entries."""
        return {"total": total, "page": self.number, "limit": self.limit}


@dataclass(frozen=True, slots=True)
class Call:
    """A call; its methods raise `bad_request`, with the name of what is wrong."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    content: bytes

    def page(self) -> Page:
        """Read `page` and `limit`."""
        return Page(
            self._integer("page", default=1, at_most=None),
            self._integer("limit", default=DEFAULT_LIMIT, at_most=LIMIT_MAX),
        )

    def choice(self, name: str, choices: type[E]) -> E | None:
        """Read a parameter that is one of some words; None where it isn't given."""
        value = self.query.get(name)
        if value is None:
            return None
        if value not in list(choices):
            raise RefusedError("bad_request", f"{name} must be one of {', '.join(choices)}.")
        return choices(value)

    def moment(self, name: str) -> datetime | None:
        """Read a date as the moment at which it begins in UTC; None where it isn't given."""
        value = self.query.get(name)
        if value is None:
            return None
        moment = parse_time(value)
        if moment is None:
            raise RefusedError("bad_request", f"{name} must be an ISO 8601 date.")
        return moment

    def body(self, model: type[B]) -> B:
        """Read the body."""
        try:
            content = orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise RefusedError("bad_request", f"The body is not JSON: {error}.") from None
        if not isinstance(content, dict):
            raise RefusedError("bad_request", "The body must be a JSON object.")
        try:
            return model.model_validate(content)
        except ValidationError as error:
            raise RefusedError("bad_request", _first_problem(error)) from None

    def _integer(self, name: str, default: int, at_most: int | None) -> int:
        text = self.query.get(name)
        if text is None:
            return default
        bounds = "of at least 1" if at_most is None else f"from 1 to {at_most}"
        value = int(text) if _INTEGER.fullmatch(text) else 0
        if value < 1 or (at_most is not None and value > at_most):
            raise RefusedError("bad_request", f"{name} must be an integer {bounds}.")
        return value


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
