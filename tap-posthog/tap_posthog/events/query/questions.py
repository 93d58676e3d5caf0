# ruff: noqa: S608 - every value that goes into the text is escaped by `text`
"""The questions to PostHog's events, and the HogQL of each. Pure text; sends nothing.

Each question is a frozen value, and `str()` of it is its HogQL. What they keep to:

- LIMIT is always written out (PostHog's default is 100); OFFSET is refused for keys.
- A key's condition has a plain bound on `timestamp` beside it, by which ClickHouse
  skips days. UUIDs are ordered as text: ClickHouse orders the type by its second half.
- Rows that share a key are apart by name and distinct_id, which follow in the order, so
  that no page cuts between them; of copies, the latest comes first.
- ClickHouse's index holds the days from 1970 to 2149. An earlier row is filed under a
  wrong day there, so that no bounded query of anybody finds it: not ours either.
- `poe.properties` are the person's properties as stored on the event. The others,
  `person.properties`, need a join, and are the person's of today: not of the event.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.api.hogql import moment, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_posthog.events.event_names import Names
    from tap_posthog.events.region import Key, Place, Region

MOST_ROWS = 50_000  # PostHog's ceiling on LIMIT
KEY_COLUMNS = ("uuid", "timestamp", "created_at", "event", "distinct_id")
FIELDS = {
    "session_id": "`$session_id`",
    "window_id": "`$window_id`",
    "person_properties": "poe.properties",
}
MILLISECOND = timedelta(milliseconds=1)
# toUnixTimestamp64Milli counts from 1970; its sum with this is never negative.
MILLIS_TO_1970 = 2_208_988_800_000
ROW_ORDER = "timestamp, toString(uuid), event, distinct_id, created_at desc"
EVENTS = "uniqExact(tuple(timestamp, event, distinct_id, uuid))"  # copies count once
# A subquery is answered once, for all places of a query and all servers of a cluster.
NOW = "(select now())"


@dataclass(frozen=True, slots=True)
class Clock:
    """What time is it at the server? One row: now."""

    def __str__(self) -> str:
        return "select now() limit 1"


@dataclass(frozen=True, slots=True)
class Rows:
    """The first rows of a region, or the first behind a place in it."""

    region: Region
    columns: tuple[str, ...]  # beside the key columns, which come first
    limit: int
    behind: Place | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All columns of the answer, in order."""
        others = (name for name in self.columns if name not in KEY_COLUMNS)
        return (*KEY_COLUMNS, *others)

    def __str__(self) -> str:
        behind = [] if self.behind is None else _behind(self.behind)
        return (
            f"select {', '.join(FIELDS.get(name, name) for name in self.names)} "
            f"from events where {_all([_where(self.region), *behind])} "
            f"order by {ROW_ORDER} limit {self.limit}"
        )


@dataclass(frozen=True, slots=True)
class Extent:
    """How many rows has each region? A row each: index, count, first and last time.

    The regions must not overlap; one without rows has no row in the answer. With
    `settle` only rows ingested before now - `settle` count; a region without a last
    key ends there too. Then each row ends with that now.

    `ahead`, the last index, is a region of rows dated later than the server's now,
    which the others do not hold.
    """

    regions: tuple[Region, ...]
    settle: timedelta | None = None
    ahead: Region | None = None

    def __str__(self) -> str:
        conditions = [self._settled(region) for region in self.regions]
        if self.ahead:
            conditions.append(self._settled(self.ahead, ahead=True))
        cases = ", ".join(f"{each}, {n}" for n, each in enumerate(conditions[:-1]))
        last = len(conditions) - 1
        index = f"multiIf({cases}, {last})" if cases else "0"
        now = "" if self.settle is None else f", {NOW}"
        return (
            f"select {index} as region, count(), min(timestamp), max(timestamp){now} "
            f"from events where {_any(conditions)} "
            "group by region order by region limit 100"
        )

    def _settled(self, region: Region, *, ahead: bool = False) -> str:
        if self.settle is None:
            return _where(region)
        until = f"{NOW} - toIntervalSecond({self.settle // timedelta(seconds=1)})"
        conditions = [_where(region), f"created_at < {until}"]
        if ahead:
            conditions.append(f"timestamp > {NOW}")
        elif not region.through:
            conditions.append(f"timestamp < {until}")
        return _all(conditions)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many rows has each stretch of time? A row each that has some: number, count.

    Stretch n is `grain` long and begins n grains after 1900-01-01.
    """

    region: Region
    grain: timedelta
    limit: int

    def __str__(self) -> str:
        grain = self.grain // MILLISECOND
        number = (
            f"intDiv(toUnixTimestamp64Milli(timestamp) + {MILLIS_TO_1970}, {grain})"
        )
        return (
            f"select {number} as stretch, count() from events "
            f"where {_where(self.region)} "
            f"group by stretch order by stretch limit {self.limit}"
        )


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many events, copies counted once, does a region hold? One row: the count."""

    region: Region

    def between(self, start: int, end: int) -> Distinct:
        """Ask about the rows from one tick to before another."""
        return replace(self, region=self.region.between(start, end))

    def __str__(self) -> str:
        return f"select {EVENTS} from events where {_where(self.region)} limit 1"


@dataclass(frozen=True, slots=True)
class Hours:
    """How many events has each hour of `created_at`? One row: (hour, count)s.

    Hours are counted from 1970, copies once in each. Of an hour's rows only those that
    happened after its end - `late_window` count. One row, since no limit on rows can
    cut that short.
    """

    region: Region
    late_window: timedelta

    def between(self, start: int, end: int) -> Hours:
        """Ask about the rows from one tick to before another."""
        return replace(self, region=self.region.between(start, end))

    def __str__(self) -> str:
        behind = (self.late_window - timedelta(hours=1)) // timedelta(seconds=1)
        floor = f"toStartOfHour(created_at) - toIntervalSecond({behind})"
        where = f"{_where(self.region)} and timestamp >= {floor}"
        return (
            f"select groupArray(tuple(hour, events)) from (select "
            f"intDiv(toUnixTimestamp(created_at), 3600) as hour, {EVENTS} as events "
            f"from events where {where} group by hour) limit 1"
        )


Question = Clock | Extent | Histogram | Distinct | Hours


def _where(region: Region) -> str:
    return _all([*_bounds(region), *_names(region.names)])


def _names(names: Names) -> list[str]:
    listed = ", ".join(text(name) for name in sorted(names.listed))
    if names.all_but:
        return [f"event not in ({listed})"] if listed else []
    return [f"event in ({listed})" if listed else "false"]


def _bounds(region: Region) -> list[str]:
    conditions = []
    if region.start:
        conditions.append(f"timestamp >= {moment(region.start)}")
    if region.after:
        conditions += _beyond(region.after)
    if region.end:
        conditions.append(f"timestamp < {moment(region.end)}")
    if region.through:
        conditions += _up_to(region.through)
    if region.created_from:
        conditions.append(f"created_at >= {moment(region.created_from)}")
    if region.created_before:
        conditions.append(f"created_at < {moment(region.created_before)}")
    return conditions


def _behind(place: Place) -> list[str]:
    at, uuid = moment(timestamps.read(place.timestamp)), text(place.uuid)
    event, distinct_id = text(place.event), text(place.distinct_id)
    created_at = moment(timestamps.read(place.created_at))
    copies = f"distinct_id = {distinct_id} and created_at < {created_at}"
    others = f"event = {event} and (distinct_id > {distinct_id} or {copies})"
    same = f"toString(uuid) = {uuid} and (event > {event} or {others})"
    tie = f"(timestamp > {at} or toString(uuid) > {uuid} or {same})"
    return [f"timestamp >= {at}", tie]


def _beyond(key: Key) -> list[str]:
    at = moment(timestamps.read(key.timestamp))
    if not key.uuid:
        return [f"timestamp >= {at}"]
    tie = f"(timestamp > {at} or toString(uuid) > {text(key.uuid)})"
    return [f"timestamp >= {at}", tie]


def _up_to(key: Key) -> list[str]:
    at = moment(timestamps.read(key.timestamp))
    if not key.uuid:
        return [f"timestamp < {at}"]
    tie = f"(timestamp < {at} or toString(uuid) <= {text(key.uuid)})"
    return [f"timestamp <= {at}", tie]


def _all(conditions: Iterable[str]) -> str:
    return " and ".join(conditions) or "true"


def _any(conditions: Iterable[str]) -> str:
    return "(" + " or ".join(f"({each})" for each in conditions) + ")"
