"""Keeps secrets out of everything that is written down."""

import json
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[secret]"

#: Shorter values occur in ordinary text by chance, and masking them would only garble it.
MIN_SECRET_CHARS = 6

#: A log line in JSON, about an exception that shows an object, that shows the secret.
_NESTING = 3


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
    """How a secret is written plainly, in a URL, and in text that is quoted within quoted text.

    They differ where it holds a quote, a backslash, or what isn't ASCII.
    """
    found = {secret, quote(secret), quote(secret, safe="")}
    for _ in range(_NESTING):
        found |= {escaped for text in found for escaped in _escaped(text)}
    return found


def _escaped(text: str) -> set[str]:
    """How a text is written within a Python value, and within JSON."""
    return {
        # Which of the two quotes is escaped depends on what else the value holds.
        repr(text)[1:-1],
        repr("'\"" + text)[4:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }
