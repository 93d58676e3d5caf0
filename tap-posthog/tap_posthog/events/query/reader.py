"""One run over the events: which passes, in which order, and the state behind each.

    widen    what the settings ask for beyond the state's scope, behind the bookmark
    finish an interrupted late pass, and what a follower postponed
    recheck  hours that have grown since they were read, sent again whole
    late     up to the bookmark, ingested since the last run; then C becomes C'
    forward  after the bookmark

A follower's quick cycle skips what looks back, and learns C' with the count of what is
new: one query finds that there is nothing, and leaves the bookmark where it is. A first
run, which has nothing to look back at, learns it so too.

Knows what the bookmark claims; how a region is read is `windows.py`'s. The recheck
comes where the bookmark is one whole rectangle, as that is what the ledger counts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.errors import MissingEndpointError
from tap_posthog.events.batch import Batch
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.query.counts import Counts
from tap_posthog.events.query.recheck import Ledger
from tap_posthog.events.query.windows import WindowReader
from tap_posthog.events.region import Key, Region
from tap_posthog.events.scope import Scope

if TYPE_CHECKING:
    from datetime import datetime

    from tap_posthog.events.query.counts import Extents
    from tap_posthog.events.query.plan import Cell
    from tap_posthog.events.query.source import Source
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

Advance = Callable[[Bookmark, Key], Bookmark]
logger = logging.getLogger("tap-posthog")

ARRIVED = 2  # pages that wait or are decoded, while others are still asked for


class Reader:
    """Reads what a bookmark leaves to read, once."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        source: Source,
        settings: Settings,
        *,
        columns: Sequence[str],
        stats: Stats,
        look_back: bool = True,
        first: bool = True,
    ) -> None:
        """Take who answers, and which columns to ask for beside the key.

        `look_back`: whether late arrivals are looked for and hours rechecked. A
        follower does not in each cycle; the bookmark remembers what it owes. `first`:
        whether this is a run's first cycle, which says what it reads.
        """
        self.bookmark = Bookmark()
        self._stats = stats
        self._source = source
        self._settings = settings
        self._columns = tuple(columns)
        self._look_back = look_back
        self._first = first
        self._scope = Scope.of(settings)
        self._window = settings.late_window
        self._ledger = Ledger({}, (), self._scope, self._window)

    def batches(
        self, bookmark: Bookmark, *, only_widen: bool = False
    ) -> Iterator[Batch]:
        """Read all there is, in order. Its threads end with it, however it ends.

        Raises:
            TapError: after the good batches before it.
        """
        self.bookmark = bookmark
        workers = self._settings.max_concurrent_queries + ARRIVED
        pool = ThreadPoolExecutor(workers, thread_name_prefix="query")
        try:
            self._counts = Counts(self._source, pool)
            self._windows = WindowReader(
                self._source,
                pool,
                self._counts,
                ahead=workers,
                columns=self._columns,
                page=self._settings.page_size,
                audit=self._settings.audit,
                stats=self._stats,
            )
            yield from self._change_scope() if only_widen else self._run()
        except MissingEndpointError:  # another source goes on with the same client
            raise
        except BaseException:  # pages may still wait on a limit
            self._source.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> Iterator[Batch]:
        yield from self._change_scope()
        created_before = self._settings.created_before
        found = None if created_before else self._news()
        until = found.until if found else None
        if until is None:
            if found and not self._look_back:
                yield Batch([], self.bookmark)
                return
            found = None
            until = timestamps.before(self._counts.now(), self._settings.settle)
            until = min(until, created_before or until)
        if self.bookmark.horizon and until < self.bookmark.horizon:
            logger.info(
                "Nothing to read yet: the state has all that PostHog ingested before "
                "%s, and a run now ends at %s (its clock less settle_seconds, or "
                "created_before)",
                timestamps.spell(self.bookmark.horizon),
                timestamps.spell(until),
            )
            return
        self._stats.until = timestamps.spell(until)
        if self._first:
            before = f"as ingested before {timestamps.spell(until)}"
            logger.info("%s", self._scope.reading(self.bookmark.at, before))
        self._ledger = Ledger.of(
            self.bookmark,
            self._scope,
            self._window,
            until,
            self._settings.recheck_hours,
        )
        yield from self._finish_late(self._scope)
        if self._look_back:
            yield from self._postponed(self._scope)
            yield from self._recheck()
        else:
            self._postpone()
        late, forward = regions = self._regions(until)
        if not found:
            ahead = self._ahead(until + self._settings.settle, until)
            found = self._counts.extents(regions, ahead)
        self._say_what_waits(found)
        yield from self._late(late, found.cells[0], until)
        yield from self._pass(forward, found.cells[1], type(self.bookmark).forward_to)

    def _change_scope(self) -> Iterator[Batch]:
        """Bring the bookmark to the scope that the settings ask for.

        What an older scope left half done is finished for what both ask for, so that
        the bookmark is one rectangle; then comes what only the settings ask for.
        """
        old, new = self.bookmark.scope, self._scope
        if old != new:
            if old:
                self.bookmark = self.bookmark.narrowed(new)
                both = self.bookmark.scope or new
                yield from self._finish_late(both)
                yield from self._postponed(both)
            self.bookmark = self.bookmark.widen(new)
        regions = self.bookmark.widening_regions()
        cells = self._counts.extents(regions).cells
        if old and (regions or old != new):
            was = self.bookmark.widening.scope if self.bookmark.widening else old
            rows = sum(cell.rows for each in cells for cell in each if cell.counted)
            logger.info(
                "The state is of %s, the settings ask for %s: what this adds behind "
                "the bookmark, %s events, is read first",
                was,
                new,
                f"{rows:,}",
            )
        for region, found in zip(regions, cells, strict=True):
            yield from self._pass(region, found, type(self.bookmark).widened_to)
        if self.bookmark.widening:
            yield self._safe(self.bookmark.widened())

    def _say_what_waits(self, found: Extents) -> None:
        """Say once a run how many events are dated in the future."""
        if self._first and found.ahead:
            last = timestamps.spell(timestamps.read(found.ahead_until))
            logger.info(
                "%s events are dated in the future, up to %s: each is sent by a run "
                "after its time has come",
                f"{found.ahead:,}",
                last,
            )

    def _news(self) -> Extents | None:
        """Ask what is new and what time it is at once, where nothing else comes first.

        None: something does, or it was too much for one query.
        """
        if self.bookmark.late:
            return None
        if not self._look_back:
            self._postpone()
        elif self.bookmark.at or self.bookmark.postponed:
            return None
        regions = self._regions(until=None)
        return self._counts.news(regions, self._ahead(), self._settings.settle)

    def _postpone(self) -> None:
        if self._window:
            self.bookmark = self.bookmark.postpone()

    def _regions(self, until: datetime | None) -> tuple[Region | None, Region | None]:
        """Say what the late and the forward pass read."""
        return (
            self.bookmark.late_region(self._scope, self._window, until),
            self.bookmark.forward_region(self._scope, until),
        )

    def _ahead(
        self, now: datetime | None = None, until: datetime | None = None
    ) -> Region:
        """Say which rows wait, since they are dated later than the server's now."""
        starts = [start for start in (now, self._scope.start) if start]
        return Region(
            start=max(starts, default=None),
            after=self.bookmark.at,
            end=self._scope.end,
            created_before=until,
            names=self._scope.names,
        )

    def _finish_late(self, scope: Scope) -> Iterator[Batch]:
        if self.bookmark.late:
            until = self.bookmark.late.until
            region = self.bookmark.late_region(scope, self._window, until)
            (cells,) = self._counts.extents([region]).cells
            yield from self._late(region, cells, until)

    def _postponed(self, scope: Scope) -> Iterator[Batch]:
        if self.bookmark.postponed:
            region = self.bookmark.postponed_region(scope, self._window)
            (cells,) = self._counts.extents([region]).cells
            yield from self._pass(region, cells, type(self.bookmark).postponed_to)
            yield self._safe(self.bookmark.postponed_done())

    def _late(
        self, region: Region | None, cells: list[Cell], until: datetime
    ) -> Iterator[Batch]:
        yield from self._pass(
            region, cells, lambda bookmark, key: bookmark.late_to(key, until)
        )
        yield self._safe(self.bookmark.late_done(until))

    def _pass(
        self, region: Region | None, cells: list[Cell], advance: Advance
    ) -> Iterator[Batch]:
        """Read one region; the bookmark advances with each window that passed."""
        if region is None:
            return

        def reached(key: Key) -> Bookmark:
            return self._stand_at(advance(self.bookmark, key))

        yield from self._windows.read(region, cells, self._ledger, reached)

    def _recheck(self) -> Iterator[Batch]:
        """Send the hours again that have grown behind the bookmark."""
        region = self._ledger.region(self.bookmark)
        if region is None or region.is_empty:
            return
        counts = self._counts.by_hour(region, self._window)
        for hour in self._ledger.compare(counts):
            logger.info(
                "Some events that PostHog ingested during the hour from %s:00Z were "
                "not visible when it was read: sending that hour again",
                hour,
            )
            region = self._ledger.hour_region(hour, self.bookmark)
            (cells,) = self._counts.extents([region]).cells
            sent = 0
            for batch in self._windows.read(region, cells, None):
                sent += len(batch.rows)
                yield batch
            self._stats.resent += sent
            self._ledger.put(hour, sent)
            yield self._safe(self.bookmark)

    def _safe(self, bookmark: Bookmark) -> Batch:
        return Batch([], self._stand_at(bookmark))

    def _stand_at(self, bookmark: Bookmark) -> Bookmark:
        """Move the bookmark to where it is safe, with what was counted on the way."""
        self.bookmark = replace(bookmark, ledger=self._ledger.counts)
        return self.bookmark
