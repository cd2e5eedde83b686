"""The JSON of answers, errors included."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from handlers.testing.shop.refusals import STATUSES, Code


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers."""

    body: Mapping[str, object]
    status: int = 200


def json_response(
    body: Mapping[str, object], status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a JSON body."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def error_response(
    code: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error in the documented shape."""
    error = {"code": code, "message": message, "status": status}
    return json_response({"error": error}, status, headers)


def refusal(code: Code, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error with the status that goes with its code."""
    return error_response(code, message, STATUSES[code], headers)
