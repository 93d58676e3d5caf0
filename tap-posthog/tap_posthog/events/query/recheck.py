"""The ledger: how many rows were read for each recent hour of `created_at`. Pure.

Owns which hours are kept and which rows count; the recheck compares its counts with the
server's. An hour counts the distinct events (rows less their copies) among those that

    were ingested during it, and before C; lie up to (B, U); are in the scope; and have
    timestamp >= the hour's end - late_window

Each such row was in a region that some run has read, whenever the runs were: B < C, so
the late pass that covers the hour begins before the hour's end - late_window.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.events.region import Region
from tap_posthog.timestamps import HOUR_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tap_posthog.events.batch import Row
    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.events.scope import Scope

HOUR = timedelta(hours=1)


class Ledger:
    """The counts of one run, from what the state held to what the next one gets."""

    def __init__(
        self,
        counts: Mapping[str, int],
        hours: Iterable[str],
        scope: Scope,
        window: timedelta,
    ) -> None:
        """Keep the given hours; those without a count start at 0."""
        self._scope = scope
        self._window = window
        self._counts = {hour: counts.get(hour, 0) for hour in hours}
        self._floors = {
            hour: timestamps.spell(self._floor(hour)) for hour in self._counts
        }

    @classmethod
    def of(
        cls,
        bookmark: Bookmark,
        scope: Scope,
        window: timedelta,
        until: datetime,
        recheck_hours: int,
    ) -> Ledger:
        """Open the ledger for a run that reads what was ingested before `until`.

        An hour that is missing can be started only where all its rows are still to be
        read: it begins where reading ended or later, or nothing has been read yet.
        """
        if not recheck_hours or not window:
            return cls({}, (), scope, window)
        last = _hour_of(until)
        known_from = bookmark.horizon if bookmark.at else None
        hours = (last - n * HOUR for n in range(recheck_hours, -1, -1))
        kept = [
            name
            for hour in hours
            if (name := timestamps.hour(hour)) in bookmark.ledger
            or known_from is None
            or hour >= known_from
        ]
        return cls(bookmark.ledger, kept, scope, window)

    @property
    def counts(self) -> dict[str, int]:
        """The counts as the state holds them: a copy."""
        return dict(self._counts)

    def add(self, row: Row) -> None:
        """Count a row that was read; the caller holds back its copies."""
        hour = row.created_at[:HOUR_LENGTH]
        floor = self._floors.get(hour)
        if floor is not None and row.timestamp >= floor:
            self._counts[hour] += 1

    def put(self, hour: str, count: int) -> None:
        """Set an hour to what was read when it was read again."""
        self._counts[hour] = count

    def region(self, bookmark: Bookmark) -> Region | None:
        """Say which rows the hours hold in all. None: nothing can be compared."""
        if not self._counts or not bookmark.at:
            return None
        first, last = min(self._counts), max(self._counts)
        everything = self.hour_region(first, bookmark)
        last_end = self.hour_region(last, bookmark).created_before
        return replace(everything, created_before=last_end)

    def hour_region(self, hour: str, bookmark: Bookmark) -> Region:
        """Say which rows one hour holds."""
        start = timestamps.read(f"{hour}:00")
        before = bookmark.ingested_before
        return Region(
            start=self._floor(hour),
            end=self._scope.end,
            through=bookmark.at,
            created_from=start,
            created_before=min(start + HOUR, before) if before else start + HOUR,
            names=self._scope.names,
        )

    def compare(self, server: Mapping[str, int]) -> list[str]:
        """Take the server's counts; return the hours that have grown, oldest first.

        A lower count (copies were merged, rows were deleted) is taken over, so that
        later growth shows.
        """
        grown = []
        for hour, read in self._counts.items():
            count = server.get(hour, 0)
            if count > read:
                grown.append(hour)
            else:
                self._counts[hour] = count
        return sorted(grown)

    def _floor(self, hour: str) -> datetime:
        end = timestamps.read(f"{hour}:00") + HOUR
        floor = timestamps.before(end, self._window)
        return max(floor, self._scope.start) if self._scope.start else floor


def _hour_of(when: datetime) -> datetime:
    return when.replace(minute=0, second=0, microsecond=0)
