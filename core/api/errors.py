"""What can go wrong in a call to EcomLinx."""
# ruff: noqa: N818
# Named after EcomLinx's own error codes.


class EcomLinxError(Exception):
    """A call to EcomLinx did not end as it should.

    Attributes:
        request: Method and path, such as ``PATCH /v1/inventory/BLUE-TEE-M``; never the key, the
            query or the body.
        outcome_unknown: True when the request may have been carried out and doing it again may do
            harm: an `inventory.adjust`, a POST.
    """

    def __init__(self, message: str, request: str, *, outcome_unknown: bool = False) -> None:
        doubt = "; whether it was carried out is unknown" if outcome_unknown else ""
        super().__init__(f"{request}: {message}{doubt}")
        self.request = request
        self.outcome_unknown = outcome_unknown


class ApiError(EcomLinxError):
    """EcomLinx answered with an error.

    Attributes:
        code: The documented word, such as ``not_found``; ``http_<status>`` where the answer has
            none and the documentation none for its status.
        message: What EcomLinx says of it.
        status: The HTTP status.
        retry_after: Seconds to wait before another try, at most an hour; None where EcomLinx
            doesn't say.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int,
        request: str,
        *,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(f"{status} {code}: {message}", request, outcome_unknown=outcome_unknown)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after


class BadRequest(ApiError):
    """Parameters are missing or invalid (400)."""


class Unauthorized(ApiError):
    """The API key is missing or invalid (401)."""


class Forbidden(ApiError):
    """The key's plan does not allow this (403)."""


class ReadOnlyPlan(Forbidden):
    """A write was not sent, because the Pro plan is read-only."""


class NotFound(ApiError):
    """The resource does not exist (404)."""


class NotYetVisible(NotFound):
    """No list shows it, but an event has just told of it: it may appear yet."""


class Conflict(ApiError):
    """A duplicate resource, or a conflicting state (409)."""


class RateLimited(ApiError):
    """Too many requests (429); `retry_after` says how many seconds to wait, where it is known."""


class BudgetSpent(RateLimited):
    """A request was not sent: all processes together have used up what EcomLinx allows for now.

    `retry_after` says in how many seconds it is this caller's turn; it is always known.
    """

    def __init__(self, request: str, retry_after: float) -> None:
        message = f"not sent: the API budget is used up, go on in {retry_after:.1f} s"
        super().__init__("rate_limited", message, 429, request, retry_after=retry_after)


class InternalError(ApiError):
    """EcomLinx, or a proxy before it, failed (5xx)."""


class Unreachable(EcomLinxError):
    """No complete answer came: no connection, a timeout, or a connection that dropped.

    Attributes:
        reason: What happened to the connection.
        sent: Whether any part of the request may have reached EcomLinx.
    """

    def __init__(
        self, reason: str, request: str, *, sent: bool, outcome_unknown: bool = False
    ) -> None:
        super().__init__(reason, request, outcome_unknown=outcome_unknown)
        self.reason = reason
        self.sent = sent


class UnexpectedResponse(EcomLinxError):
    """The answer is not what EcomLinx documents: not JSON, a field missing or of a wrong type.

    Attributes:
        problem: What is wrong; never a value from the answer.
        field: Where, such as ``data.0.price``; None where it is the whole answer.
    """

    def __init__(
        self,
        problem: str,
        request: str,
        *,
        field: str | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        place = f"field {field}: " if field else ""
        super().__init__(
            f"unexpected answer: {place}{problem}", request, outcome_unknown=outcome_unknown
        )
        self.problem = problem
        self.field = field


_BY_STATUS: dict[int, tuple[type[ApiError], str]] = {
    400: (BadRequest, "bad_request"),
    401: (Unauthorized, "unauthorized"),
    403: (Forbidden, "forbidden"),
    404: (NotFound, "not_found"),
    409: (Conflict, "conflict"),
    429: (RateLimited, "rate_limited"),
}


def error_for(status: int) -> tuple[type[ApiError], str]:
    """Return the exception class of an HTTP error status, and the code that is documented for it.

    Not documented: statuses such as 422. They are a plain `ApiError` with code ``http_422``.
    """
    if status >= 500:
        return InternalError, "internal_error"
    return _BY_STATUS.get(status, (ApiError, f"http_{status}"))
