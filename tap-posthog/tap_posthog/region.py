"""Which rows: a region of the plane that the two clocks span. Pure.

A row lies in a region by its `timestamp`, by its key (timestamp, uuid) and by its
`created_at`. What a region holds is the server's to say; how it is cut is `plan.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tap_posthog import instants

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Key(NamedTuple):
    """A row's place in the order of reading; keys compare as (timestamp, uuid)."""

    timestamp: str
    uuid: str  # "" sorts before every uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Rows between bounds; a bound that is None bounds nothing."""

    start: datetime | None = None  # timestamp >=
    after: Key | None = None  # (timestamp, uuid) >
    end: datetime | None = None  # timestamp <
    through: Key | None = None  # (timestamp, uuid) <=
    created_from: datetime | None = None  # created_at >=
    created_before: datetime | None = None  # created_at <

    @property
    def first_tick(self) -> int:
        """The earliest timestamp that a row of the region can have."""
        bounds = [0]
        if self.start:
            bounds.append(instants.ticks(self.start))
        if self.after:
            bounds.append(_tick(self.after))
        return max(bounds)

    @property
    def end_tick(self) -> int:
        """The tick behind the latest timestamp that a row of the region can have."""
        bounds = [instants.ticks(instants.LAST)]
        if self.end:
            bounds.append(instants.ticks(self.end))
        if self.through:
            bounds.append(_tick(self.through) + 1)
        return min(bounds)

    @property
    def is_empty(self) -> bool:
        """Whether the bounds alone leave no room for a row."""
        if self.first_tick >= self.end_tick:
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
            start=instants.at(start),
            after=after if after and _tick(after) >= start else None,
            end=instants.at(end),
            through=through if through and _tick(through) < end else None,
        )

    def beyond(self, key: Key) -> Region:
        """Keep what comes after a key."""
        return replace(self, after=max(self.after or key, key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which of the project's events the user asked for, and how late they may be."""

    start: datetime | None
    end: datetime | None
    late_window: timedelta


def _tick(key: Key) -> int:
    return instants.ticks(instants.read(key.timestamp))
