"""Patterns of SQL's LIKE, made from what people write."""

#: Stands before a character of a pattern that stands for itself.
ESCAPE = "\\"


def glob(text: str) -> str:
    """A pattern in which only `*` is special: it stands for any characters."""
    return _literal(text).replace("*", "%")


def beginning(text: str) -> str:
    """A pattern for everything that begins with `text`."""
    return _literal(text) + "%"


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
