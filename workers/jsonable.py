"""The JSON form of whatever handlers return."""

import json
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
