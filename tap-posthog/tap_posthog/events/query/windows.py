"""Reads a region window by window: plan, read ahead, compare. Knows no bookmark.

Owns the pages in flight, and the audit: a window has passed when it gave as many rows
as were counted, or when, read to its end, the server counts no more events than it
gave.
"""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

import msgspec

from tap_posthog import raw_json, timestamps
from tap_posthog.errors import AuditError, TapError, TooHeavyError
from tap_posthog.events.batch import Batch
from tap_posthog.events.query import questions
from tap_posthog.events.query.dedup import Dedup
from tap_posthog.events.query.plan import Cell, Planner, Window
from tap_posthog.events.region import Key, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from tap_posthog.events.batch import Row
    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.events.query.counts import Counts
    from tap_posthog.events.query.recheck import Ledger
    from tap_posthog.events.query.source import Page, Source
    from tap_posthog.events.region import Region
    from tap_posthog.progress import Stats

    Reached = Callable[[Key], Bookmark]

logger = logging.getLogger("tap-posthog")

HALVED_IN_A_ROW = 3  # windows, before all that follow are planned smaller
PAGE_BYTES = 20_000_000  # of a page as it comes, at which windows are aimed


class WindowReader:
    """Reads regions through a pool of threads, one region at a time."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        source: Source,
        pool: Executor,
        counts: Counts,
        *,
        ahead: int,
        columns: tuple[str, ...],
        page: int,
        audit: bool,
        stats: Stats,
    ) -> None:
        """Hold at most `ahead` pages of `page` rows beside the one that is used."""
        self.stats = stats
        self._source = source
        self._pool = pool
        self._counts = counts
        self._most_ahead = ahead
        self._columns = columns
        self._page = page
        self._row_bytes = 0.0  # of a row as it comes, 0: not known
        self._audit = audit
        self._last: Row | None = None  # of the region that is read
        self._reached: Reached | None = None

    def read(
        self,
        region: Region,
        cells: Sequence[Cell],
        ledger: Ledger | None,
        reached: Reached | None = None,
    ) -> Iterator[Batch]:
        """Read a region in order. The next pages are in flight while one is used.

        Args:
            region: Which rows.
            cells: Where they lie, as far as is known.
            ledger: Counts the rows, where there is one.
            reached: Gives the bookmark that is safe once all up to a key has passed.

        Raises:
            AuditError: the server counts rows in a window that it does not give.
        """
        self._last, self._reached = None, reached
        self.stats.expected += sum(cell.rows for cell in cells if cell.counted)
        planner = Planner(region.first_tick, region.end_tick, cells, self._limit)
        windows = self._counts.windows(region, planner)
        ahead: deque[tuple[Window, Future[Page]]] = deque()
        in_a_row, more = 0, True
        while more or ahead:
            while more and len(ahead) < self._most_ahead:
                more = self._start(region, windows, ahead)
            if not ahead:
                return
            halved = self.stats.halved
            yield from self._window(region, *ahead.popleft(), self._limit, ledger)
            in_a_row = in_a_row + 1 if self.stats.halved > halved else 0
            if in_a_row == HALVED_IN_A_ROW and self._page > 1:
                in_a_row = 0
                self._page //= 2
            if not planner.page / 2 <= self._limit <= planner.page:
                planner.resize(self._limit)

    def _start(
        self,
        region: Region,
        windows: Iterator[Window],
        ahead: deque[tuple[Window, Future[Page]]],
    ) -> bool:
        """Put one more page in flight. What fails waits for its turn, as pages do."""
        try:
            window = next(windows, None)
        except TapError as error:
            failed: Future[Page] = Future()
            failed.set_exception(error)
            ahead.append((Window(0, 0, 0), failed))
            return False
        if window is None:
            return False
        ahead.append((window, self._submit(region.between(window.start, window.end))))
        return True

    def _window(
        self,
        region: Region,
        window: Window,
        first: Future[Page],
        page_size: int,
        ledger: Ledger | None,
    ) -> Iterator[Batch]:
        """Read a window to its end, and compare what it gave with what was counted."""
        part = region.between(window.start, window.end)
        try:
            page = first.result()
        except TooHeavyError:
            if window.rows > 1 and page_size > 1:
                half = min(page_size, window.rows) // 2
                yield from self._smaller(part, window, half, ledger)
                return
            page = self._submit(part, divisible=False).result()
        dedup, read, events = Dedup(ledger), 0, 0
        before, limit = 0, page_size
        while True:
            given, last = 0, None
            for rows in page.parts:
                given, last = given + len(rows), rows[-1] if rows else last
                kept = dedup.keep(rows)
                events += len(kept)
                yield self._batch(kept)
            read += given
            self._learn(page, given, before, limit)
            if read == window.rows or last is None:
                break
            before = given
            page, limit = self._next(part, _place(last), page_size)
        if read < window.rows and self._audit:
            self._compare(part, events)
        self.stats.planned += window.rows
        self.stats.read += read
        self.stats.duplicates += dedup.dropped
        self.stats.windows += 1
        yield self._batch([], passed=True)

    def _batch(self, rows: Sequence[Row], *, passed: bool = False) -> Batch:
        """Give rows on; behind a window that has passed, a bookmark too."""
        self._last = last = rows[-1] if rows else self._last
        if not passed or last is None or self._reached is None:
            return Batch(rows, None)
        return Batch(rows, self._reached(Key(last.timestamp, last.uuid)))

    def _next(self, part: Region, behind: Place, page_size: int) -> tuple[Page, int]:
        """Read on behind a row: that a page was short proves nothing."""
        limit = min(page_size, self._limit)
        while True:
            try:
                return self._submit(
                    part, limit, behind, divisible=limit > 1
                ).result(), limit
            except TooHeavyError:
                limit //= 2

    @property
    def _limit(self) -> int:
        """How many rows to ask for: a page, or as many as are within `PAGE_BYTES`."""
        if not self._row_bytes:
            return self._page
        return max(1, min(self._page, int(PAGE_BYTES / self._row_bytes)))

    def _learn(self, page: Page, given: int, before: int, limit: int) -> None:
        """Learn from a page how large rows are, and how many a server gives at most.

        Rows that are larger than the last ones count at once, smaller ones by half.
        """
        if given:
            new = page.nbytes / given
            self._row_bytes = max(new, (self._row_bytes + new) / 2)
        if given and given == before < limit:
            logger.info(
                "PostHog gives at most %s events in one query, fewer than page_size: "
                "reading in windows of that size from here on",
                f"{given:,}",
            )
            self._page = given

    def _smaller(
        self, part: Region, window: Window, page_size: int, ledger: Ledger | None
    ) -> Iterator[Batch]:
        """Read a window that is too much for one query in smaller ones."""
        self.stats.halved += 1
        logger.info(
            "Reading %s in smaller parts: its %s events are too much for one query",
            _name(part),
            f"{window.rows:,}",
        )
        planner = Planner(window.start, window.end, [Cell(*window)], page_size)
        for each in self._counts.windows(part, planner):
            limit = min(page_size, self._limit)
            page = self._submit(part.between(each.start, each.end), limit)
            yield from self._window(part, each, page, limit, ledger)
            if self._limit < planner.page:
                planner.resize(self._limit)

    def _compare(self, part: Region, given: int) -> None:
        """Count a window again that gave too little: copies may have been merged."""
        counted = self._counts.distinct(part)
        if counted > given:
            msg = (
                f"PostHog counts {counted:,} events {_name(part)}, but gives {given:,}"
                f": {counted - given:,} are missing. No state was written behind them; "
                f"run again later, or set audit to false to go on without them"
            )
            raise AuditError(msg)

    def _submit(
        self,
        region: Region,
        limit: int | None = None,
        behind: Place | None = None,
        *,
        divisible: bool = True,
    ) -> Future[Page]:
        rows = questions.Rows(region, self._columns, limit or self._limit, behind)
        return self._pool.submit(self._source.read, rows, divisible=divisible)


def _place(row: Row) -> Place:
    event, distinct_id = (_text(each) for each in (row.event, row.distinct_id))
    return Place(row.timestamp, row.uuid, event, distinct_id, row.created_at)


def _text(cell: object) -> str:
    """Read a name that came as JSON, which nothing else looks into."""
    if isinstance(cell, msgspec.Raw):
        cell = raw_json.loads(bytes(cell).decode())
    return str(cell)


def _name(region: Region) -> str:
    start = timestamps.spell(timestamps.at(region.first_tick))
    return f"from {start} to {timestamps.spell(timestamps.at(region.end_tick))}"
