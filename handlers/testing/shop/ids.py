"""Ids that look like EcomLinx's, such as ``ord_8FZ2K``."""

import random

#: Crockford's base 32, which the documented ids are written in.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 5


class Ids:
    """Makes ids, none twice."""

    def __init__(self, chance: random.Random, taken: tuple[str, ...] = ()) -> None:
        self._chance = chance
        self._taken = set(taken)

    def new(self, prefix: str) -> str:
        """Return an unused id that begins with `prefix` and an underscore."""
        while True:
            made = f"{prefix}_{''.join(self._chance.choices(_ALPHABET, k=_LENGTH))}"
            if made not in self._taken:
                self._taken.add(made)
                return made
