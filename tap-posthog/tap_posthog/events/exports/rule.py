"""Which rows of an export's windows are kept, and what the state is behind each. Pure.

Windows follow each other by `_inserted_at`, and hold any `timestamp` and `created_at`:

    created_at <= _inserted_at + SKEW, and _inserted_at < created_at + settle

So once all windows up to E were read, whatever has created_at < E - settle was sent,
which is the bookmark's claim. Within a run all rows with created_at < `until` are kept,
where `until` is the last window's end - settle; the rest of that window is left to the
next run, which reads it again. Rows dated ahead are sent at once.

Where the bookmark came from queries, it claims some of the rows: those up to the seam.
A row may be dated AHEAD of when it was ingested, and queries leave it until then, so
windows are read from that long before the bookmark.

A file by event time, which a backfill in PostHog's UI makes, says nothing of what was
inserted when. Such files are a history, up to the first window by insertion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.events.exports.marks import Files
from tap_posthog.events.region import Key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.events.exports.keys import Window
    from tap_posthog.events.scope import Scope

    Gap = tuple[datetime, datetime]

AHEAD = timedelta(hours=24)  # PostHog takes events dated up to 23 hours ahead
SKEW = timedelta(seconds=60)  # between the clocks of ingestion and of the table
GAPS_FOR = timedelta(days=8)  # later, PostHog exports a window by timestamp
MOST_GAPS = 300


@dataclass(frozen=True, slots=True)
class Margins:
    """How far apart the clocks of a row may be, and how far back queries looked."""

    settle: timedelta
    late_window: timedelta


class Rule:
    """What to keep of one window, given all that was sent before it.

    A row is kept if it is in the scope, has created_at < `until`, and was not sent.
    Times of rows are text of `timestamps.spell`'s form.
    """

    def __init__(
        self,
        bookmark: Bookmark,
        scope: Scope,
        until: datetime,
        margins: Margins,
        *,
        beyond: Scope | None = None,
    ) -> None:
        """Take the bookmark behind the window before this one.

        `beyond` turns it round, for a widening: what was not in that older scope, of
        the rows that would have been sent if they had been.
        """
        self.bookmark, self.scope, self.until = bookmark, scope, until
        self.beyond = beyond
        self.files = bookmark.files
        spell = timestamps.spell
        self._until = spell(until)
        self._start = spell(scope.start) if scope.start else ""
        self._end = spell(scope.end) if scope.end else "~"
        self._through = self._sent_until = self._seam = ""
        self._gaps: list[tuple[str, str]] = []
        if self.files:
            self._through = spell(self.files.through)
            self._sent_until = spell(self.files.until)
            self._gaps = [(spell(s), spell(e)) for s, e in self.files.gaps]
            self._seam = spell(self.files.seam) if self.files.seam else ""
        late = bookmark.late
        late_start = ""
        if late and bookmark.at:
            at = timestamps.read(bookmark.at.timestamp)
            late_start = spell(timestamps.before(at, margins.late_window))
        before = bookmark.ingested_before
        self._before = spell(before) if before and bookmark.at else ""
        self._late = (spell(late.until), late_start) if late else None
        postponed = bookmark.postponed
        self._postponed = spell(postponed.since) if postponed else ""
        # Below it a row of a window up to the seam may have been sent by a query.
        self.claimed_before = bookmark.horizon if bookmark.at else None

    def keeps(
        self, timestamp: str, uuid: str, created_at: str, inserted_at: str, name: str
    ) -> bool:
        """Say whether a row is written."""
        if not self._start <= timestamp < self._end or name not in self.scope.names:
            return False
        sent = self.sent(timestamp, uuid, created_at, inserted_at)
        if self.beyond:
            return sent and not _holds(self.beyond, timestamp, name)
        return created_at < self._until and not sent

    def sent(self, timestamp: str, uuid: str, created_at: str, inserted: str) -> bool:
        """Say whether a row that is in the scope was sent before this window."""
        if not self.files:
            return self.claims(timestamp, uuid, created_at)
        read = inserted < self._through and created_at < self._sent_until
        if read and not any(start <= inserted < end for start, end in self._gaps):
            return True
        return inserted < self._seam and self.claims(timestamp, uuid, created_at)

    def claims(self, timestamp: str, uuid: str, created_at: str) -> bool:
        """Say whether the bookmark, as a query reads it, has a row behind it."""
        at, key = self.bookmark.at, (timestamp, uuid)
        if not at or key > at:
            return False
        if self._late and (late := self.bookmark.late):
            until, start = self._late
            if timestamp >= start and key <= late.after and created_at < until:
                return True
        if created_at >= self._before:
            return False
        postponed = self.bookmark.postponed
        if not postponed or key > postponed.through or created_at < self._postponed:
            return True
        return postponed.after is not None and key <= postponed.after


def _holds(scope: Scope, timestamp: str, name: str) -> bool:
    start = not scope.start or timestamps.spell(scope.start) <= timestamp
    end = not scope.end or timestamp < timestamps.spell(scope.end)
    return start and end and name in scope.names


def needed_from(bookmark: Bookmark) -> datetime | None:
    """Say from when on windows must be read. None: from the first that there is."""
    files = bookmark.files
    if files and not files.seam:
        return min(files.through, timestamps.before(files.until, SKEW))
    if not bookmark.at or not bookmark.ingested_before:
        return None
    starts = [
        timestamps.before(timestamps.read(bookmark.at.timestamp), AHEAD),
        timestamps.before(bookmark.ingested_before, SKEW),
    ]
    if bookmark.postponed:
        starts.append(timestamps.before(bookmark.postponed.since, SKEW))
    if files:
        return max(min(starts), files.through)
    return min(starts)


def entered(bookmark: Bookmark, start: datetime, margins: Margins) -> Bookmark:
    """Go over from queries to files, which are read from `start` on."""
    if bookmark.files:
        return bookmark
    before = bookmark.ingested_before if bookmark.at else None
    files = Files(
        through=start,
        until=start,
        seam=(bookmark.horizon or before) + margins.settle if before else None,
    )
    return replace(bookmark, files=files)


def passed(
    bookmark: Bookmark, window: Window, until: datetime, margins: Margins
) -> Bookmark | None:
    """Give the bookmark behind a window all of whose kept rows were written.

    None: it was read again for its last rows, and the state stays until that is done.
    """
    files = bookmark.files
    assert files  # noqa: S101 - `entered` comes before any window
    if window.end <= files.through:
        filled = fill(files.gaps, window.start, window.end)
        if filled == files.gaps:
            return None
        return replace(bookmark, files=replace(files, gaps=filled))
    gaps = fill(files.gaps, window.start, window.end)
    if window.start > files.through:
        gaps = (*gaps, (files.through, window.start))
    files = replace(
        files,
        through=window.end,
        until=max(until, files.until),
        gaps=_recent(gaps, window.end),
    )
    return settled(replace(bookmark, files=files), margins)


def settled(bookmark: Bookmark, margins: Margins) -> Bookmark:
    """Move the bookmark to what its files prove, once they are past the seam."""
    files = bookmark.files
    assert files  # noqa: S101 - as above
    if files.seam and files.through < files.seam:
        return bookmark
    before = min(files.until, timestamps.before(files.through, margins.settle))
    if bookmark.at and bookmark.ingested_before and before < bookmark.ingested_before:
        return bookmark
    return replace(
        bookmark,
        at=Key(timestamps.spell(before), ""),
        ingested_before=before,
        late=None,
        postponed=None,
        files=replace(files, seam=None),
    )


def history_passed(
    bookmark: Bookmark, window: Window, until: datetime, margins: Margins
) -> Bookmark:
    """Give the bookmark behind a file by event time: all up to its end, by `until`."""
    seam = until + margins.settle
    files = Files(through=window.end, until=until, seam=seam)
    at = Key(timestamps.spell(window.end), "")
    return replace(bookmark, at=at, ingested_before=until, files=files)


def is_history(bookmark: Bookmark) -> bool:
    """Say whether only files by event time were read so far."""
    files = bookmark.files
    if not files or not files.seam:
        return False
    return bookmark.at == Key(timestamps.spell(files.through), "")


def fill(gaps: Sequence[Gap], start: datetime, end: datetime) -> tuple[Gap, ...]:
    """Take a time out of the gaps: there is a file for it now."""
    left = []
    for first, last in gaps:
        if first < min(last, start):
            left.append((first, min(last, start)))
        if max(first, end) < last:
            left.append((max(first, end), last))
    return tuple(left)


def _recent(gaps: Sequence[Gap], now: datetime) -> tuple[Gap, ...]:
    since = timestamps.before(now, GAPS_FOR)
    return tuple(gap for gap in gaps if gap[1] > since)[-MOST_GAPS:]


def left_files(bookmark: Bookmark) -> Bookmark:
    """Go over from files to queries, which know nothing of them."""
    return replace(bookmark, files=None, export=None)
