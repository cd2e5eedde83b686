"""Patterns of SQL's LIKE, made from what people write."""

import sqlalchemy as sa

#: Stands before a character of a pattern that stands for itself.
ESCAPE = "\\"


def glob(text: str) -> str:
    """A pattern in which only `*` is special: it stands for any characters."""
    return _literal(text).replace("*", "%")


def beginning(text: str) -> str:
    """A pattern for everything that begins with `text`."""
    return _literal(text) + "%"


def fits(column: "sa.Column[str]", text: str) -> sa.ColumnElement[bool]:
    """Whether a column fits a pattern as `glob` reads it, to be asked of rows that are few already.

    No index is used for it: in SQLite one for a type that half of all rows have would be taken for
    the best way.
    """
    return sa.func.coalesce(column, sa.null()).like(glob(text), escape=ESCAPE)


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
