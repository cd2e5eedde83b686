"""The webhook endpoint: verify, commit, answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import structlog
from starlette.types import Receive, Scope, Send

from core import signature
from core.events import Arrival, Source, event_id, fault_of
from receiver import answers
from receiver.answers import Answer, Refusal
from receiver.body import BodyReader, ClientGoneError, drain, header
from receiver.commit import BufferFullError, CommitError, Committer, Verdict
from receiver.refusals import RefusalLog

_SIGNATURE = signature.HEADER.lower().encode()


class WebhookEndpoint:
    """An ASGI application for the one URL that EcomLinx posts to.

    A class, because Starlette wraps a function in a request and a response object, and that costs
    a third of what the receiver can take.

    Args:
        committer: Keeps events before they are answered.
        secrets: Any of them may have signed a body.
        max_body_bytes: Larger bodies are refused.
        body_seconds: Slower bodies are refused.
    """

    def __init__(
        self,
        committer: Committer,
        secrets: Sequence[bytes],
        *,
        max_body_bytes: int,
        body_seconds: float,
    ) -> None:
        self._committer = committer
        self._secrets = secrets
        self._bodies = BodyReader(max_bytes=max_body_bytes, seconds=body_seconds)
        self._refusals = RefusalLog()
        # Bound once: an unbound logger makes itself anew at each call, even for lines that nobody
        # wants.
        self._log = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._answer(scope, receive)
        except Refusal as refusal:
            self._refusals.note(refusal.reason, scope.get("client"))
            rest = partial(drain, receive) if refusal.answer.closes else None
            await refusal.answer.send(send, rest)
        except ClientGoneError:
            return
        # What this is for can't be known; the sender is told to send it again.
        except Exception:  # noqa: BLE001
            self._log.exception("request_failed")
            await answers.INTERNAL_ERROR.send(send)
        else:
            await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise Refusal(answers.METHOD_NOT_ALLOWED, "method_not_allowed")
        raw = await self._bodies.read(scope, receive)
        if not signature.is_authentic(raw, header(scope, _SIGNATURE), self._secrets):
            raise Refusal(answers.UNAUTHORIZED, "unauthorized")
        return await self._keep(raw)

    async def _keep(self, raw: bytes) -> Answer:
        arrival = Arrival(event_id(raw), raw, datetime.now(UTC), Source.WEBHOOK)
        try:
            verdict = await self._committer.commit(arrival)
        except CommitError:
            raise Refusal(answers.UNAVAILABLE, "commit_failed") from None
        except BufferFullError:
            raise Refusal(answers.UNAVAILABLE, "buffer_full") from None
        fault = fault_of(raw)
        if fault is not None:
            self._log.warning("event_malformed", event_id=arrival.id, reason=fault)
            return answers.malformed(arrival.id, fault)
        self._log.debug("event_received", event_id=arrival.id, verdict=verdict.name)
        if verdict is Verdict.DUPLICATE:
            return answers.duplicate(arrival.id)
        return answers.accepted(arrival.id)
