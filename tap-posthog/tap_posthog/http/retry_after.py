"""How long a server asks to wait: its `Retry-After` and `Date` headers, read. Pure.

Both packages hold this file, byte for byte.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 10 * 365 * 86_400.0  # seconds; an answer may ask for more: it is all one
YEARS = range(1970, 9000)  # what is beyond is no date, and overflows in sums
SECONDS = re.compile(r"-?\d{1,15}(\.\d*)?", re.ASCII)


def retry_after(value: str | None, date: str | None, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, None where it says nothing.

    Takes seconds (decimals and blanks too) and the three date formats of RFC 9110. Of
    several headers, which arrive joined with commas, the longest wait counts. A date
    is compared with the answer's own `date`, so that this machine's clock does not
    matter; `now` stands in where that is missing. The past is 0. Raises nothing.
    """
    since = http_date(date) or now
    return max(_waits(value or "", since), default=None)


def http_date(text: str | None) -> datetime | None:
    """Read a date as HTTP headers have it; None where there is none."""
    try:
        read = parsedate_to_datetime((text or "").strip())
        read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return read if read.year in YEARS else None


def _waits(value: str, since: datetime) -> Iterator[float]:
    """Yield each wait that is asked for. A date may have a comma behind its weekday."""
    parts = [part.strip() for part in value.split(",")]
    for before, part in pairwise(["", *parts]):
        if SECONDS.fullmatch(part):
            yield min(max(0.0, float(part)), LONGEST)
            continue
        until = http_date(f"{before}, {part}" if before.isalpha() else part)
        if until is not None:
            yield min(max(0.0, (until - since).total_seconds()), LONGEST)
