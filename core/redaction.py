"""Keeps secrets out of everything that is written down."""

import json
from collections.abc import Iterable

MASK = "[secret]"

#: Shorter values occur in ordinary text by chance, and masking them would only garble it.
MIN_SECRET_CHARS = 6


class Redactor:
    """Masks known secret values in text. Thread-safe: it never changes after construction."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS}
        wanted = {spelling for secret in known for spelling in _spellings(secret)}
        # The longest first, so that a secret that contains another is masked whole.
        self._secrets = tuple(sorted(wanted, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return `text` with every known secret replaced by ``[secret]``."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text


def _spellings(secret: str) -> set[str]:
    """How a secret is written plainly, in a Python value, in JSON, and in a Python value in JSON.

    They differ where it holds a quote or a backslash.
    """
    plain = {secret, repr(secret)[1:-1]}
    return plain | {json.dumps(text, ensure_ascii=False)[1:-1] for text in plain}
