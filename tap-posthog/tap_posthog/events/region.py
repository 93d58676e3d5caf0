"""Which rows: a region of the plane that the two clocks span. Pure.

A row lies in a region by its `timestamp`, by its key (timestamp, uuid), by its
`created_at` and by its event's name. What a region holds is the server's to say; how it
is cut is `plan.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tap_posthog import timestamps
from tap_posthog.events.event_names import EVERY, Names

if TYPE_CHECKING:
    from datetime import datetime


class Key(NamedTuple):
    """A row's place in the order of reading; keys compare as (timestamp, uuid)."""

    timestamp: str
    uuid: str  # "" sorts before every uuid


class Place(NamedTuple):
    """A row among those that share its key: where a page ended, for the next one.

    PostHog tells rows apart by (timestamp, event, distinct_id, uuid), so several may
    share a key. Rows that are equal in all four come latest `created_at` first. Only
    the server compares places: its order of names need not be Python's.
    """

    timestamp: str
    uuid: str
    event: str
    distinct_id: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Rows between bounds; a bound that is None bounds nothing."""

    start: datetime | None = None  # timestamp >=
    after: Key | None = None  # (timestamp, uuid) >
    end: datetime | None = None  # timestamp <
    through: Key | None = None  # (timestamp, uuid) <=
    created_from: datetime | None = None  # created_at >=
    created_before: datetime | None = None  # created_at <
    names: Names = EVERY

    @property
    def first_tick(self) -> int:
        """The earliest timestamp that a row of the region can have."""
        bounds = [0]
        if self.start:
            bounds.append(timestamps.ticks(self.start))
        if self.after:
            bounds.append(_tick(self.after))
        return max(bounds)

    @property
    def end_tick(self) -> int:
        """The tick behind the latest timestamp that a row of the region can have."""
        bounds = [timestamps.ticks(timestamps.LAST)]
        if self.end:
            bounds.append(timestamps.ticks(self.end))
        if self.through:
            bounds.append(_tick(self.through) + 1)
        return min(bounds)

    @property
    def is_empty(self) -> bool:
        """Whether the bounds alone leave no room for a row."""
        if self.first_tick >= self.end_tick or self.names.is_empty:
            return True
        if self.after and self.through and self.after >= self.through:
            return True
        if self.created_from and self.created_before:
            return self.created_from >= self.created_before
        return False

    def between(self, start: int, end: int) -> Region:
        """Keep what lies from one tick to before another.

        A key's bound that this makes needless goes: it costs the server a column.
        """
        start, end = max(start, self.first_tick), min(end, self.end_tick)
        after, through = self.after, self.through
        return replace(
            self,
            start=timestamps.at(start),
            after=after if after and _tick(after) >= start else None,
            end=timestamps.at(end),
            through=through if through and _tick(through) < end else None,
        )


def _tick(key: Key) -> int:
    return timestamps.ticks(timestamps.read(key.timestamp))
