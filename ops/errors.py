"""Turns what an operator can mend into a message instead of a traceback."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from sqlalchemy.exc import OperationalError

from core.ledger.schema import LedgerOutOfDateError
from core.settings import SettingsError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def explained(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Show wrong settings, and a ledger that is away or out of date, as a message."""

    @wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (SettingsError, LedgerOutOfDateError) as error:
            raise click.ClickException(str(error)) from None
        except OperationalError as error:
            reason = str(error.orig).strip()
            raise click.ClickException(f"The ledger's database: {reason}") from None

    return wrapper
