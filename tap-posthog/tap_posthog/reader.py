"""One run over the events: which passes, in which order, and the state behind each.

    finish an interrupted late pass, and what a follower postponed
    recheck  hours that have grown since they were read, sent again whole
    late     up to the bookmark, taken in since the last run; then C becomes C'
    forward  after the bookmark

A follower's quick cycle skips what looks back, and learns C' with the count of what is
new: one query finds that there is nothing, and leaves the bookmark where it is. A first
run, which has nothing to look back at, learns it so too.

Knows what the bookmark claims; how a region is read is `windows.py`'s. The recheck
comes where the bookmark is one whole rectangle, as that is what the ledger counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from tap_posthog import hogql, instants
from tap_posthog.counts import Counts
from tap_posthog.errors import AuditError, QueryError
from tap_posthog.ledger import Ledger
from tap_posthog.region import Key, Scope
from tap_posthog.windows import Figures, WindowReader

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tap_posthog.bookmark import Bookmark
    from tap_posthog.counts import News
    from tap_posthog.plan import Cell
    from tap_posthog.region import Region
    from tap_posthog.source import Row, Source

Pass = Literal["recheck", "late", "forward"]
Advance = Callable[["Bookmark", Key], "Bookmark"]

ARRIVED = 2  # pages that wait or are decoded, while others are still asked for


class Settings(Protocol):
    """What the reader needs to know of the user's settings."""

    @property
    def start_at(self) -> datetime | None: ...  # noqa: D102 - the contract's names
    @property
    def end_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def late_window(self) -> timedelta: ...  # noqa: D102
    @property
    def settle(self) -> timedelta: ...  # noqa: D102
    @property
    def include_events(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def exclude_events(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def page_size(self) -> int: ...  # noqa: D102
    @property
    def max_concurrent_queries(self) -> int: ...  # noqa: D102
    @property
    def audit(self) -> bool: ...  # noqa: D102
    @property
    def recheck_hours(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to write, then the bookmark that is safe behind them. None: not yet one."""

    rows: list[Row]
    bookmark: Bookmark | None
    pass_: Pass


class Reader:
    """Reads what a bookmark leaves to read, once."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        source: Source,
        settings: Settings,
        bookmark: Bookmark,
        *,
        columns: Sequence[str],
        log: Callable[[str], None],
        look_back: bool = True,
    ) -> None:
        """Take where to start, and which columns to ask for beside the key.

        Args:
            source: Answers the questions.
            settings: What the user turned.
            bookmark: What has been emitted before.
            columns: HogQL's fields, by the stream's names.
            log: Takes one line about each decision that a user should know of.
            look_back: Whether late arrivals are looked for and hours rechecked. A
                follower does not in each cycle; the bookmark remembers what it owes.

        """
        self.bookmark = bookmark
        self.figures = Figures()
        self._source = source
        self._settings = settings
        self._columns = tuple(columns)
        self._log = log
        self._look_back = look_back
        self._scope = Scope(
            start=settings.start_at,
            end=settings.end_at,
            late_window=settings.late_window,
        )
        self._filters = hogql.Filters(settings.include_events, settings.exclude_events)

    def batches(self) -> Iterator[Batch]:
        """Read all there is, in order. Its threads end with it, however it ends.

        Raises:
            TapError: after the good batches before it.

        """
        workers = self._settings.max_concurrent_queries + ARRIVED
        pool = ThreadPoolExecutor(workers, thread_name_prefix="query")
        try:
            self._counts = Counts(self._source, pool, self._filters, self._log)
            self._windows = WindowReader(
                self._source,
                pool,
                self._counts,
                ahead=workers,
                filters=self._filters,
                columns=self._columns,
                page=self._settings.page_size,
                audit=self._settings.audit,
                log=self._log,
            )
            self.figures = self._windows.figures
            yield from self._run()
        except (AuditError, QueryError):  # of our own: pages may still wait on a limit
            self._source.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> Iterator[Batch]:
        news = self._news()
        until = news.until if news else None
        if until is None:
            if news and not self._look_back:
                yield Batch([], self.bookmark, "forward")
                return
            news = None
            until = instants.before(self._counts.now(), self._settings.settle)
        if self.bookmark.horizon and until < self.bookmark.horizon:
            self._log(
                f"Nothing to read yet: the state has all that PostHog took in before "
                f"{instants.spell(self.bookmark.horizon)}, and its clock less "
                f"settle_seconds says {instants.spell(until)}"
            )
            return
        self._ledger = Ledger.of(
            self.bookmark, self._scope, until, self._settings.recheck_hours
        )
        yield from self._finish_late()
        if self._look_back:
            yield from self._postponed()
            yield from self._recheck()
        else:
            self._postpone()
        late, forward = regions = self._regions(until)
        cells = news.cells if news else self._counts.extents(regions)
        yield from self._late(late, cells[0], until)
        yield from self._pass(
            "forward", forward, cells[1], type(self.bookmark).forward_to
        )

    def _news(self) -> News | None:
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
        return self._counts.news(regions, self._settings.settle)

    def _postpone(self) -> None:
        if self._scope.late_window:
            self.bookmark = self.bookmark.postpone()

    def _regions(self, until: datetime | None) -> tuple[Region | None, Region | None]:
        """Say what the late and the forward pass read."""
        return (
            self.bookmark.late_region(self._scope, until),
            self.bookmark.forward_region(self._scope, until),
        )

    def _finish_late(self) -> Iterator[Batch]:
        if self.bookmark.late:
            until = self.bookmark.late.until
            region = self.bookmark.late_region(self._scope, until)
            yield from self._late(region, self._counts.extents([region])[0], until)

    def _postponed(self) -> Iterator[Batch]:
        if self.bookmark.postponed:
            region = self.bookmark.postponed_region(self._scope)
            cells = self._counts.extents([region])[0]
            yield from self._pass(
                "late", region, cells, type(self.bookmark).postponed_to
            )
            yield self._safe(self.bookmark.postponed_done(), "late")

    def _late(
        self, region: Region | None, cells: list[Cell], until: datetime
    ) -> Iterator[Batch]:
        yield from self._pass(
            "late", region, cells, lambda bookmark, key: bookmark.late_to(key, until)
        )
        yield self._safe(self.bookmark.late_done(until), "late")

    def _pass(
        self, name: Pass, region: Region | None, cells: list[Cell], advance: Advance
    ) -> Iterator[Batch]:
        """Read one region; the bookmark advances with each window that passed."""
        if region is None:
            return
        last: Row | None = None
        for piece in self._windows.read(region, cells, self._ledger):
            last = piece.rows[-1] if piece.rows else last
            if piece.passed and last:
                key = Key(last.timestamp, last.uuid)
                yield self._safe(advance(self.bookmark, key), name, piece.rows)
            else:
                yield Batch(piece.rows, None, name)

    def _recheck(self) -> Iterator[Batch]:
        """Send the hours again that have grown behind the bookmark."""
        region = self._ledger.region(self.bookmark)
        if region is None or region.is_empty:
            return
        counts = self._counts.by_hour(region, self._scope.late_window)
        for hour in self._ledger.compare(counts):
            self._log(
                f"Some events that PostHog took in during the hour from {hour}:00Z "
                f"were not visible when it was read: sending that hour again"
            )
            region = self._ledger.hour_region(hour, self.bookmark)
            (cells,) = self._counts.extents([region])
            sent = 0
            for piece in self._windows.read(region, cells, None):
                sent += len(piece.rows)
                yield Batch(piece.rows, None, "recheck")
            self.figures.resent += sent
            self._ledger.put(hour, sent)
            yield self._safe(self.bookmark, "recheck")

    def _safe(
        self, bookmark: Bookmark, name: Pass, rows: list[Row] | None = None
    ) -> Batch:
        """Move the bookmark, and hand it out behind the rows that it covers."""
        self.bookmark = replace(bookmark, ledger=self._ledger.counts)
        return Batch(rows or [], self.bookmark, name)
