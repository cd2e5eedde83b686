"""EcomLinx webhook signatures: HMAC-SHA256 of the raw body, in hex.

EcomLinx documents the header ``X-EcomLinx-Signature: sha256=...`` over the raw body, and no
timestamp in it: a signature never expires.
"""

import hmac
from collections.abc import Sequence
from functools import lru_cache

HEADER = "X-EcomLinx-Signature"
PREFIX = b"sha256="
HEX_DIGITS = 64


def sign(body: bytes, secret: str) -> str:
    """Return the header's value for `body`: ``sha256=`` and 64 lower-case hex digits."""
    return PREFIX.decode() + hmac.digest(secret.encode(), body, "sha256").hex()


def is_authentic(body: bytes, header: bytes | None, secrets: Sequence[bytes]) -> bool:
    """Tell whether `header` is the signature of `body` by any of `secrets`.

    Every secret is tried, and compared in constant time, so that the time taken tells neither which
    secret matched nor how much of a guess was right.
    """
    if header is None or not header.startswith(PREFIX):
        return False
    claimed = header[len(PREFIX) :].lower()
    if len(claimed) != HEX_DIGITS:
        return False
    matched = False
    for secret in secrets:
        mac = _keyed(secret).copy()
        mac.update(body)
        matched |= hmac.compare_digest(mac.hexdigest().encode(), claimed)
    return matched


@lru_cache(maxsize=32)
def _keyed(secret: bytes) -> hmac.HMAC:
    # Mixing in the secret takes as long as a usual body.
    return hmac.new(secret, digestmod="sha256")
