"""The ranges of time in which a large table is read, by how much each hour holds. Pure.

PostHog sorts such a table by time, and reads all of a range for each page in it. So a
range holds about a page, and its last one has no end: rows may move there meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_posthog import timestamps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Range(NamedTuple):
    """What to read: to before when (empty: without end), how many rows, the last."""

    before: str
    rows: int
    last: tuple[Any, ...]


class Hour(NamedTuple):
    """An hour that has rows: how many, and the place of its last."""

    number: int
    rows: int
    last: tuple[Any, ...]


def ranges(hours: Iterable[Hour], most: int) -> Iterator[Range]:
    """Pack hours, each with its rows, into ranges of at most `most` rows.

    An hour is counted from 1970. One that holds more is a range of its own.
    """
    held = 0
    last: tuple[Any, ...] = ()
    for hour in sorted(hours):
        if held and held + hour.rows > most:
            yield Range(_spelt(hour.number), held, last)
            held = 0
        held, last = held + hour.rows, hour.last
    yield Range("", held, last)


def _spelt(hour: int) -> str:
    return timestamps.spell(timestamps.within(EPOCH + timedelta(hours=hour)))
