"""How PostHog reads the instants that clients write. No clock: now is an argument."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FUTURE = timedelta(hours=23)
_UNITS = {
    "s": timedelta(seconds=1),
    "M": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "m": timedelta(days=30),
    "y": timedelta(days=365),
}


def captured(event: Mapping[str, object], sent_at: object, now: datetime) -> datetime:
    """Say when a captured event happened.

    PostHog's rule (rust/common/types/src/timestamp.rs): the client's clock is
    corrected by what `sent_at` shows of its error; what cannot be read, or lies
    more than 23 hours ahead, is now; a year that no calendar has is 1970.
    """
    offset, written = event.get("offset"), event.get("timestamp")
    if isinstance(offset, (int, float)) and not isinstance(offset, bool):
        return now - timedelta(milliseconds=offset)
    if not isinstance(written, str):
        return now
    if re.match(r"-|\+?\d{5,}-", written):
        return EPOCH
    instant = parse(written)
    if instant is None:
        return now
    sent = parse(sent_at) if isinstance(sent_at, str) else None
    try:
        if sent is not None and not event.get("ignore_sent_at"):
            instant -= sent - now
    except OverflowError:
        return EPOCH
    return now if instant - now > _FUTURE else instant


def parse(written: str, zone: str = "UTC") -> datetime | None:
    """Read an ISO 8601 instant as UTC; one without offset is read in `zone`."""
    try:
        instant = datetime.fromisoformat(written.strip())
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=ZoneInfo(zone))
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def bound(written: str, zone: str, now: datetime) -> datetime | None:
    """Read a bound of the events list: an instant, or a distance such as `-7d`."""
    distance = re.fullmatch(r"-(\d+)([sMhdwmy])", written)
    if distance:
        return now - int(distance[1]) * _UNITS[distance[2]]
    return parse(written, zone)


def clickhouse(instant: datetime) -> str:
    """Write an instant as ClickHouse reads it, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
