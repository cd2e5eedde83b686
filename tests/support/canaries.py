"""Secrets that sing when they're written down anywhere."""

import base64
import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from core.ledger.database import Database

_numbers = itertools.count(1)


class Canary:
    """A secret value, known by its core however the rest of it is escaped, cut or quoted.

    Args:
        name: What it is the value of.
        shape: The value; ``{}`` stands for the core.
    """

    def __init__(self, name: str, shape: str = "{}") -> None:
        self.name = name
        self.core = f"Kanarie{next(_numbers):02}Vogel"
        self.value = shape.format(self.core)

    def __repr__(self) -> str:
        return f"Canary({self.name})"

    def is_in(self, text: bytes) -> bool:
        """Tell whether it is in a text: plain, in hex, or in base64, whatever stands before it."""
        return any(form in text for form in self._forms())

    def _forms(self) -> Iterator[bytes]:
        core = self.core.encode()
        yield core
        yield core.hex().encode()
        for before in range(3):
            # The first and last digits depend on what stands around it.
            digits = base64.b64encode(b"\0" * before + core)
            yield digits[4 if before else 0 : -4]


def singing(canaries: Iterable[Canary], text: str | bytes) -> list[Canary]:
    """The canaries that are in a text."""
    data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
    return [canary for canary in canaries if canary.is_in(data)]


def everything_in_redis(client: Any) -> Iterator[tuple[str, bytes]]:
    """Each key of a Redis with its values; what RQ has compressed, too."""
    for key in client.scan_iter():
        for value in _values(client, key):
            yield f"Redis key {key!r}", b"\n".join((key, value, _unpacked(value)))


def _values(client: Any, key: bytes) -> list[bytes]:
    kind = client.type(key)
    if kind == b"string":
        return [client.get(key)]
    if kind == b"hash":
        return [part for pair in client.hgetall(key).items() for part in pair]
    if kind == b"stream":
        return [part for _, entry in client.xrange(key) for p in entry.items() for part in p]
    if kind == b"list":
        return list(client.lrange(key, 0, -1))
    return list(client.smembers(key) if kind == b"set" else client.zrange(key, 0, -1))


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return b""


def everything_in_ledger(database: Database) -> Iterator[tuple[str, bytes]]:
    """Each row of each table."""
    with database.read() as connection:
        for name, table in SQLModel.metadata.tables.items():
            for row in connection.execute(sa.select(table)).mappings():
                yield f"table {name}", repr(dict(row)).encode("utf-8", "backslashreplace")
