"""Reads what EcomLinx answered: a record, or the failure that it stands for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from core.api.calls import Request
from core.api.errors import ApiError, UnexpectedResponse, error_for
from core.api.retrying import parse_http_date, parse_retry_after

M = TypeVar("M", bound=BaseModel)
Mask = Callable[[str], str]

_MESSAGE_MAX_CHARS = 500

#: In words that need no knowledge of how answers are read.
_PROBLEMS = {
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "finite_number": "must be a number",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


def failure_in(
    answer: Answer, request: Request, mask: Mask
) -> ApiError | UnexpectedResponse | None:
    """Return the failure that an answer stands for by its status, None for a 2xx.

    `mask` takes secrets out of what EcomLinx says: it may quote the key that it refuses.
    """
    if answer.status >= 400:
        return _api_error(answer, request, mask)
    if 200 <= answer.status < 300:
        return None
    return UnexpectedResponse(
        f"HTTP {answer.status}; redirects are not followed, is ECOMLINX_API_URL right?",
        str(request),
        outcome_unknown=not request.repeatable,
    )


def read(model: type[M], answer: Answer, request: Request) -> M:
    """Return the record in a 2xx answer.

    Raises:
        UnexpectedResponse: The answer isn't JSON, lacks a field, or has one of a wrong type.
    """
    # Raised outside of `except`: a chained pydantic error would quote what customers told.
    try:
        return model.model_validate(_load(answer.content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = _one_line(".".join(str(part) for part in first["loc"])) or None
        problem = _PROBLEMS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    except (ValueError, RecursionError):
        where = None
        problem = f"not JSON, but {_content_type(answer)} of {len(answer.content)} bytes"
    raise UnexpectedResponse(
        problem, str(request), field=where, outcome_unknown=not request.repeatable
    )


def entries_in(answer: Answer) -> list[bytes] | None:
    """The JSON of each entry of a list that was read; None where it can't be written again.

    Numbers keep their digits.
    """
    body = _load(answer.content)
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        return None
    try:
        return [orjson.dumps(entry, default=_as_written) for entry in data]
    except TypeError:
        # A number of more than 64 bits, or half of a surrogate pair: JSON has them, orjson has not.
        return None


def memorable(answer: Answer) -> object:
    """What may be written down of an answer that was read: all of it but a webhook's secret."""
    body = json.loads(answer.content)
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name != "secret"}


def recalled(body: object) -> Answer:
    """The answer of which `memorable` was written down."""
    return Answer(200, {"content-type": "application/json"}, json.dumps(body).encode())


def _api_error(answer: Answer, request: Request, mask: Mask) -> ApiError:
    kind, code = error_for(answer.status)
    said = _documented_error(answer, mask)
    message = said.get("message") or f"no error body as documented, but {_content_type(answer)}"
    now = parse_http_date(answer.headers.get("date")) or datetime.now(UTC)
    return kind(
        said.get("code") or code,
        message,
        answer.status,
        str(request),
        retry_after=parse_retry_after(answer.headers.get("retry-after"), now),
        outcome_unknown=answer.status >= 500 and not request.repeatable,
    )


def _documented_error(answer: Answer, mask: Mask) -> dict[str, str]:
    """Return `code` and `message` of EcomLinx's error body, as far as they are there."""
    try:
        body = _load(answer.content)
    except (ValueError, RecursionError):
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return {}
    return {name: _one_line(mask(text)) for name, text in error.items() if isinstance(text, str)}


def _load(content: bytes) -> object:
    return json.loads(content, parse_float=Decimal, parse_constant=_refuse_constant)


def _as_written(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        # An exponent stays one: written out, it could take gigabytes.
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MESSAGE_MAX_CHARS]


def _content_type(answer: Answer) -> str:
    return _one_line(answer.headers.get("content-type") or "an untyped body")
