"""Reads a region window by window: plan, read ahead, compare. Knows no bookmark.

Owns the pages in flight, and the audit: a window has passed when it gave as many rows
as were counted, or when, read to its end, the server counts no more events than it
gave.
"""

from __future__ import annotations

import operator
from collections import deque
from concurrent.futures import Future
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tap_posthog import raw_json, timestamps
from tap_posthog.errors import AuditError, TapError, TooHeavyError
from tap_posthog.events.query import questions
from tap_posthog.events.query.dedup import Dedup
from tap_posthog.events.query.plan import Cell, Planner, Window
from tap_posthog.events.region import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from tap_posthog.events.query.counts import Counts
    from tap_posthog.events.query.recheck import Ledger
    from tap_posthog.events.query.source import Page, Row, Source
    from tap_posthog.events.region import Region

HALVED_IN_A_ROW = 3  # windows, before all that follow are planned smaller


@dataclass(slots=True)
class Stats:
    """What a run has done so far: the audit's figures, for logs."""

    expected: int = 0  # rows that the passes begun so far have in all
    planned: int = 0  # rows, as the server counted them, of the windows that passed
    read: int = 0  # rows, as the server gave them
    duplicates: int = 0  # of these, copies that were dropped
    resent: int = 0  # rows that the recheck sent again
    windows: int = 0  # that passed
    halved: int = 0  # windows that were too much for one query

    def __add__(self, other: Stats) -> Stats:
        """Count two runs together."""
        mine, theirs = astuple(self), astuple(other)
        return Stats(*map(operator.add, mine, theirs))


class Piece(NamedTuple):
    """Some rows of a window, in order and without copies."""

    rows: list[Row]
    passed: bool  # the window is read, and compared


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
        log: Callable[[str], None],
    ) -> None:
        """Hold at most `ahead` pages of `page` rows beside the one that is used."""
        self.stats = Stats()
        self._source = source
        self._pool = pool
        self._counts = counts
        self._most_ahead = ahead
        self._columns = columns
        self._page = page
        self._audit = audit
        self._log = log

    def read(
        self, region: Region, cells: Sequence[Cell], ledger: Ledger | None
    ) -> Iterator[Piece]:
        """Read a region in order. The next pages are in flight while one is used.

        Args:
            region: Which rows.
            cells: Where they lie, as far as is known.
            ledger: Counts the rows, where there is one.

        Raises:
            AuditError: the server counts rows in a window that it does not give.

        """
        self.stats.expected += sum(cell.rows for cell in cells if cell.counted)
        planner = Planner(region.first_tick, region.end_tick, cells, self._page)
        windows = self._counts.windows(region, planner)
        ahead: deque[tuple[Window, Future[Page]]] = deque()
        in_a_row, more = 0, True
        while more or ahead:
            while more and len(ahead) < self._most_ahead:
                more = self._start(region, windows, ahead)
            if not ahead:
                return
            halved = self.stats.halved
            yield from self._window(region, *ahead.popleft(), self._page, ledger)
            in_a_row = in_a_row + 1 if self.stats.halved > halved else 0
            if in_a_row == HALVED_IN_A_ROW and self._page > 1:
                in_a_row = 0
                self._page //= 2
            if self._page < planner.page:
                planner.shrink(self._page)

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
    ) -> Iterator[Piece]:
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
        while True:
            rows = dedup.keep(page.rows)
            read, events = read + len(page.rows), events + len(rows)
            if read == window.rows or not page.rows:
                break
            yield Piece(rows, passed=False)
            page = self._next(part, page, page_size)
        if read < window.rows and self._audit:
            self._compare(part, events)
        self.stats.planned += window.rows
        self.stats.read += read
        self.stats.duplicates += dedup.dropped
        self.stats.windows += 1
        yield Piece(rows, passed=True)

    def _next(self, part: Region, page: Page, page_size: int) -> Page:
        """Read on behind a page's last row: that a page is short proves nothing."""
        limit, behind = min(page_size, self._page), _place(page.rows[-1])
        while True:
            try:
                found = self._submit(part, limit, behind, divisible=limit > 1).result()
                break
            except TooHeavyError:
                limit //= 2
        if len(found.rows) == len(page.rows) < limit:
            self._log(
                f"PostHog gives at most {len(found.rows):,} events in one query, fewer "
                f"than page_size: reading in windows of that size from here on"
            )
            self._page = len(found.rows)
        return found

    def _smaller(
        self, part: Region, window: Window, page_size: int, ledger: Ledger | None
    ) -> Iterator[Piece]:
        """Read a window that is too much for one query in smaller ones."""
        self.stats.halved += 1
        self._log(
            f"Reading {_name(part)} in smaller parts: its {window.rows:,} events are "
            f"too much for one query"
        )
        planner = Planner(window.start, window.end, [Cell(*window)], page_size)
        for each in self._counts.windows(part, planner):
            limit = min(page_size, self._page)
            page = self._submit(part.between(each.start, each.end), limit)
            yield from self._window(part, each, page, limit, ledger)
            if self._page < planner.page:
                planner.shrink(self._page)

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
        rows = questions.Rows(region, self._columns, limit or self._page, behind)
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
