"""Tables and figures as aligned text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lay out rows under their columns; the first column left, the others right."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(_line(row, widths) for row in cells)


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = (
        cell.ljust(width) if nth == 0 else cell.rjust(width)
        for nth, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(["", first, *others]).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def figures(lines: Iterable[tuple[str, int, str]]) -> str:
    """Lay names, numbers and notes out in columns."""
    rows = list(lines)
    width = max(len(name) for name, *_ in rows)
    return "\n".join(
        f"  {name:<{width}}  {count:>9,}  {note}".rstrip() for name, count, note in rows
    )
