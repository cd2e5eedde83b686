"""The signature check that the applications in Python share."""

import hmac
import os
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request

_SECRET = os.environ["WEBHOOK_SECRET"].encode()


async def _raw(request: Request) -> bytes:
    return await request.body()


def _verified(
    body: Annotated[bytes, Depends(_raw)], x_ecomlinx_signature: Annotated[str, Header()]
) -> bytes:
    expected = f"sha256={hmac.new(_SECRET, body, 'sha256').hexdigest()}"
    if not hmac.compare_digest(expected, x_ecomlinx_signature):
        raise HTTPException(401)
    return body


#: The raw body of a request that carries the right signature.
Body = Annotated[bytes, Depends(_verified)]
