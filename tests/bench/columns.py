"""Words below each other, and amounts in few digits."""

from collections.abc import Sequence

_DECIMAL_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"))


def as_columns(lines: Sequence[Sequence[str]]) -> str:
    """The first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return "  ".join((first.ljust(widths[0]), *right)).rstrip()


def amount(value: float) -> str:
    """Three digits or so: ``0.012``, ``1.5``, ``23``, ``1,200``."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def size(amount_bytes: float) -> str:
    """Bytes, in the unit that suits them."""
    for unit, name in _DECIMAL_BYTES:
        if amount_bytes >= unit:
            return f"{amount(amount_bytes / unit)} {name}"
    return f"{amount(amount_bytes / 1e3)} kB"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as in ``1:02:03``."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
