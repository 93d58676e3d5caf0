"""Points in time: as text, as UTC datetimes, and as ticks for arithmetic. Pure.

Text is always `YYYY-MM-DDTHH:MM:SS.ffffffZ`, so that the order of texts is the order of
time. A tick is a microsecond since 1900-01-01, the first instant that ClickHouse's
DateTime64 holds, so that no tick is negative.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(2299, 12, 31, tzinfo=UTC)  # DateTime64 ends with this year
TICK = timedelta(microseconds=1)
HOUR_LENGTH = len("2026-11-21T09")


def read(text: str) -> datetime:
    """Read a time in any ISO spelling; without an offset it is UTC.

    Raises:
        ValueError: the text is no time, or lies beyond what a datetime holds.
    """
    given = datetime.fromisoformat(text)
    try:
        return given.replace(tzinfo=given.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def spell(when: datetime) -> str:
    """Write an aware time as text of this project's one form."""
    text = when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}Z"


def within(when: datetime) -> datetime:
    """Move a time that ClickHouse cannot hold to the nearest that it can."""
    return min(max(when, FIRST), LAST)


def before(when: datetime, span: timedelta) -> datetime:
    """Go back by a span, but not beyond the first instant."""
    return when - span if when - FIRST > span else FIRST


def ticks(when: datetime) -> int:
    """Count the microseconds since 1900, exactly."""
    return (within(when) - FIRST) // TICK


def at(ticks: int) -> datetime:
    """Turn ticks into a time again."""
    return FIRST + ticks * TICK


def hour(when: datetime) -> str:
    """Name the hour that a time is in, as the ledger does: `2026-11-21T09`."""
    return spell(when)[:HOUR_LENGTH]
