"""The JSON form of whatever handlers return."""

from typing import Any

from pydantic import TypeAdapter

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def to_json_form(value: Any) -> Any:
    """Turn models, decimals, times and the like into what JSON knows.

    Raises:
        ValueError: `value`, or something in it, has no JSON form.
    """
    return _ANYTHING.dump_python(value, mode="json")
