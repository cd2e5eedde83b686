"""What is wrong with the spool, told so that an operator knows what to do."""

import sqlite3
from collections.abc import Mapping


class SpoolError(Exception):
    """The spool can't take or give events; the message says why, and what to do."""


def is_corrupt(error: Exception) -> bool:
    """Tell whether an error means that the file itself is damaged."""
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_full(error: Exception) -> bool:
    """Tell whether an error means that there is no room: within the bound, or on the disk."""
    return _code(error) == sqlite3.SQLITE_FULL


def explain(error: Exception) -> str:
    """Say what an error means for an operator; the same trouble has the same words each time."""
    code = sqlite3.SQLITE_BUSY if isinstance(error, BlockingIOError) else _code(error)
    return _MEANINGS.get(code, _UNUSABLE).format(error=_reason(error))


#: What to say where the spool is as large as it may be.
BOUND_REACHED = "SPOOL_MAX_BYTES is reached: bring Redis back, or allow more"

_DISK_FULL = "no room on the disk of DATA_DIR: make room there"
_UNUSABLE = "can't use the spool in DATA_DIR ({error}): let this user write there"
_MEANINGS: Mapping[int | None, str] = {
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_IOERR: (
        "the disk of DATA_DIR fails ({error}): look at its room, its quota and the kernel's log"
    ),
    sqlite3.SQLITE_BUSY: "another process keeps the spool locked: look for one that hangs",
    sqlite3.SQLITE_CORRUPT: "the spool is damaged ({error})",
    sqlite3.SQLITE_NOTADB: "the spool is damaged ({error})",
    sqlite3.SQLITE_ERROR: "the spool is of another version ({error}): move spool.db away",
}


def _code(error: Exception) -> int | None:
    """SQLite's primary error code, or None for an error of another kind."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code if code is None else code & 0xFF


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
