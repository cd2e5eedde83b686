"""Turns what an operator can mend into a message instead of a traceback."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from core.settings import SettingsError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def explained(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Show wrong settings, and a ledger that is away or out of date, as a message."""

    @wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except SettingsError as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:
            explanation = _of_ledger(error)
            if explanation is None:
                raise
            raise click.ClickException(explanation) from None

    return wrapper


def _of_ledger(error: Exception) -> str | None:
    # Imported late: they are half of what a receiver would otherwise keep in memory.
    from sqlalchemy.exc import OperationalError

    from core.ledger.schema import LedgerOutOfDateError

    if isinstance(error, LedgerOutOfDateError):
        return str(error)
    if isinstance(error, OperationalError):
        return f"The ledger's database: {str(error.orig).strip()}"
    return None
