"""What can be written down of whatever handlers return or raise."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def to_json_form(value: Any) -> Any:
    """Turn models, decimals, times and the like into what JSON knows.

    Raises:
        ValueError: `value`, or something in it, has no JSON form: objects of unknown types, NaN,
            half a surrogate pair.
    """
    form = _ANYTHING.dump_python(value, mode="json")
    json.dumps(form, allow_nan=False, ensure_ascii=False).encode()
    return form


def words_of(value: object, say: Callable[[Any], str] = str) -> str:
    """Return what a handler's own object says of itself, even where saying it fails."""
    try:
        return say(value)
    except Exception:  # noqa: BLE001 - one handler's words must not keep others' from the ledger
        return f"({type(value).__name__} can't say what it is)"
