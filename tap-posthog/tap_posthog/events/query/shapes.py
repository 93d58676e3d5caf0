"""What the answer to each small question looks like. Pure.

An answer of another shape is not PostHog's, whatever sent it: it is asked for again.
More columns than these do no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_posthog import timestamps
from tap_posthog.events.query import questions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_posthog.events.query.questions import Question

    Kind = Callable[[object], bool]


def check(question: Question, rows: Sequence[Any]) -> None:
    """Raise ValueError where the rows do not answer a question."""
    match question:
        case questions.Clock():
            _check(rows, _timestamp, one=True)
        case questions.Distinct():
            _check(rows, _whole, one=True)
        case questions.Hours():
            _check(rows, _pairs, one=True)
        case questions.Histogram():
            _check(rows, _whole, _whole)
        case questions.Extent(settle=None):
            _check(rows, _whole, _whole, _timestamp, _timestamp)
        case questions.Extent():
            _check(rows, _whole, _whole, _timestamp, _timestamp, _timestamp)


def _check(rows: Sequence[Any], *kinds: Kind, one: bool = False) -> None:
    fits = all(
        isinstance(row, list)
        and len(row) >= len(kinds)
        and all(fits(cell) for fits, cell in zip(kinds, row, strict=False))
        for row in rows
    )
    if not fits or (one and len(rows) != 1):
        msg = "the answer is of another shape than the question"
        raise ValueError(msg)


def _whole(cell: object) -> bool:
    if isinstance(cell, str):  # as ClickHouse writes 64 bits where it is told to
        return cell.isascii() and cell.isdigit()
    return isinstance(cell, int) and not isinstance(cell, bool)


def _timestamp(cell: object) -> bool:
    try:
        timestamps.read(str(cell))
    except ValueError:
        return False
    return isinstance(cell, str)


def _pairs(cell: object) -> bool:
    return isinstance(cell, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_whole, pair))  # noqa: PLR2004 - a pair
        for pair in cell
    )
