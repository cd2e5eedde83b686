"""Why EcomLinx refuses a call: its documented error codes."""

from typing import Literal

Code = Literal[
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "conflict",
    "rate_limited",
    "internal_error",
]

#: `method_not_allowed` is not documented; every other code is.
STATUSES: dict[Code, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "rate_limited": 429,
    "internal_error": 500,
}


class RefusedError(Exception):
    """EcomLinx refuses what was asked; nothing has changed.

    Attributes:
        code: The documented word, such as ``not_found``.
        message: Why, for people.
        status: The HTTP status that goes with the code.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUSES[code]
