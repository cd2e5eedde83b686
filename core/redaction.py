"""Keeps secrets out of everything that is written down."""

from collections.abc import Iterable

MASK = "[secret]"

#: Shorter values occur in ordinary text by chance, and masking them would only garble it.
MIN_SECRET_CHARS = 6


class Redactor:
    """Masks known secret values in text. Thread-safe: it never changes after construction."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        wanted = {secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS}
        # The longest first, so that a secret that contains another is masked whole.
        self._secrets = tuple(sorted(wanted, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return `text` with every known secret replaced by ``[secret]``."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text
