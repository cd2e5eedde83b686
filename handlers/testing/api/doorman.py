"""The checks before any call: the key, the limits, the plan."""

import hmac

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.testing.api.answers import refusal
from handlers.testing.api.limits import Limits, Plan

_READING = frozenset({"GET", "HEAD"})


class Doorman:
    """ASGI middleware that lets in what the documentation allows.

    Args:
        app: What is behind it.
        api_key: The only valid key.
        plan: What the key may do.
        limits: How often.
    """

    def __init__(self, app: ASGIApp, api_key: str, plan: Plan, limits: Limits) -> None:
        self._app = app
        self._api_key = api_key.encode()
        self._plan = plan
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call in, or refuse it."""
        refused = self._refuse(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        if not self._knows(HTTPConnection(scope).headers.get("authorization", "")):
            headers = {"WWW-Authenticate": "Bearer"}
            return refusal("unauthorized", "Invalid or missing API key.", headers)
        wait_seconds = self._limits.try_call()
        if wait_seconds is not None:
            headers = {"Retry-After": str(wait_seconds)}
            return refusal("rate_limited", f"Too many requests: wait {wait_seconds} s.", headers)
        if self._plan is Plan.PRO and scope["method"] not in _READING:
            return refusal("forbidden", "This key is read-only: writing needs the Scale plan.")
        return None

    def _knows(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            key.strip().encode(), self._api_key
        )
