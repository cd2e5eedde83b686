"""How a database finds what a statement asks for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from core.ledger.database import Database


@contextmanager
def plans_of(database: Database) -> Iterator[list[str]]:
    """Collect the plans of the statements in this block.

    PostgreSQL is told to scan a whole table only where no index helps: it would rather scan the
    few rows of a test.
    """
    statements: list[tuple[str, Any]] = []
    plans: list[str] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "DELETE", "UPDATE")):
            statements.append((statement, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    plans += [_explain(database, *statement) for statement in statements]


def _explain(database: Database, statement: str, parameters: Any) -> str:
    with database.read() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        words = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        lines = connection.exec_driver_sql(f"{words} {statement}", parameters)
        return "\n".join([statement, *(str(line[-1]) for line in lines)])


def scans_a_table(plan: str) -> bool:
    """Tell whether a plan reads every row of a table."""
    lines = plan.splitlines()[1:]
    return any("Seq Scan" in line or _SCAN.match(line) for line in lines)


#: SQLite says so, too, of an index that holds only some rows, of values in the statement, and of
#: what a part of the statement has found.
_SCAN = re.compile(r"SCAN (?!\(|(known|of_type_\d+|anon_\d+)\b|.*(USING|CONSTANT))")
