"""Exports on demand as a source of events: a day of ingestion at a time.

What is kept of each window, and the state behind it, is the rule of all exports. The id
of a run is in the state before the run is first asked about: to ask for one is billed.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from tap_posthog import timestamps
from tap_posthog.errors import ConfigError, FilesError
from tap_posthog.events.batch import Batch
from tap_posthog.events.exports import rule
from tap_posthog.events.exports.files import FilesSource
from tap_posthog.events.exports.formats import parquet
from tap_posthog.events.exports.keys import Part, Stored, Window
from tap_posthog.events.exports.marks import Export
from tap_posthog.events.exports.on_demand.download import Download, GoneError
from tap_posthog.events.exports.on_demand.runs import UNKNOWN, Made, Runs
from tap_posthog.events.exports.on_demand.spool import Spool
from tap_posthog.events.exports.store import Store, obstore
from tap_posthog.events.region import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from datetime import datetime

    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.events.exports.audit import Audit
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

logger = logging.getLogger("tap-posthog")

LONGEST = timedelta(days=1)  # of a window: its upload must end within an hour


class ExportSource(FilesSource):
    """Asks for windows one after the other, and reads what PostHog makes of them."""

    def __init__(  # noqa: PLR0913 - its parts arrive built
        self,
        runs: Runs,
        settings: Settings,
        columns: Sequence[str],
        stats: Stats,
        audit: Audit | None,
        *,
        now: Callable[[], datetime],
        widen: Callable[[Bookmark], Iterator[Batch]],
    ) -> None:
        """`now` is PostHog's clock; `widen` reads what a changed scope adds."""
        obstore()  # or say how to install what reads Parquet
        self._spool = Spool()
        super().__init__(cast("Store", self._spool), settings, columns, stats, audit)
        self._runs, self._download = runs, Download()
        self._now, self._widen = now, widen

    @override
    def batches(self, bookmark: Bookmark) -> Iterator[Batch]:
        """Read up to now, window by window.

        Raises:
            TapError: after the good batches before it.
        """
        self._bookmark = self._begun(bookmark)
        yield from self._scoped()
        needed = rule.needed_from(self._bookmark)
        assert needed  # noqa: S101 - it has a bookmark
        end = self._now()
        if before := self._settings.created_before:
            end = min(end, before + self._margins.settle)
        until = timestamps.before(end, self._margins.settle)
        if self._bookmark.horizon and until <= self._bookmark.horizon:
            logger.info("Nothing to read yet: the state has all up to this run's end")
            return
        until = self._enter(needed, until, "by on-demand exports")
        for window in due(needed, end, self._bookmark.export):
            yield from self._window(window, until)
        if self._audit:
            yield from self._audit.batches(self._bookmark, self._ledger)
            yield self._safe(self._bookmark)

    def _begun(self, bookmark: Bookmark) -> Bookmark:
        if bookmark.at:
            return bookmark
        start = self._settings.start_at
        if start is None:
            msg = (
                "start_at: not set, and there is no state; with events_source: export "
                "it takes the time from which on PostHog is asked for exports"
            )
            raise ConfigError(msg)
        at = Key(timestamps.spell(start), "")
        return replace(bookmark, at=at, ingested_before=start, scope=self._scope)

    def _scoped(self) -> Iterator[Batch]:
        """Read by query what the settings ask for beyond the state's scope."""
        if self._bookmark.scope == self._scope and not self._bookmark.widening:
            return
        files = self._bookmark.files
        for batch in self._widen(rule.left_files(self._bookmark)):
            if batch.bookmark:
                self._bookmark = replace(batch.bookmark, files=files)
                yield Batch(batch.rows, self._bookmark)
            else:
                yield batch

    def _window(self, asked: Window, until: datetime) -> Iterator[Batch]:
        """Read one window; a state stands behind it, and before it, with its run."""
        window = yield from self._made(asked)
        keeping = rule.Rule(self._bookmark, self._scope, until, self._margins)
        yield from self._read(window, keeping)
        self._spool.clear()
        self._bookmark = replace(self._bookmark, export=None)
        passed = rule.passed(self._bookmark, window, until, self._margins)
        yield self._safe(passed or self._bookmark)

    def _made(self, asked: Window) -> Generator[Batch, None, Window]:
        """Have PostHog make a window's files, and fetch them."""
        export = self._bookmark.export
        if export is None or (export.start, export.end) != (asked.start, asked.end):
            export = self._ask(asked)
            yield self._safe(replace(self._bookmark, export=export))
        while True:
            made = self._runs.wait(export.run)
            if isinstance(made, Made):
                found = self._whole(asked, export.run, made)
                if isinstance(found, Window):
                    return found
                made = found
            if export.anew:
                yield self._safe(replace(self._bookmark, export=None))
                msg = (
                    f"PostHog's export {asked} ended as {made}, twice. Look at the "
                    "exports of the project in PostHog; run again later"
                )
                raise FilesError(msg)
            logger.warning("The export %s ended as %s: asking anew, once", asked, made)
            export = replace(self._ask(asked), anew=True)
            yield self._safe(replace(self._bookmark, export=export))

    def _whole(self, asked: Window, run: str, made: Made) -> Window | str:
        """Fetch a run's files; say how they are not all that PostHog exported.

        What is short is fetched once more: it may be the download.
        """
        for _ in range(2):
            try:
                window = self._fetched(asked, run, made)
            except GoneError:
                return UNKNOWN
            rows = sum(parquet.count(self._spool, part) for part in window.parts)
            if made.records is None or rows == made.records:
                return window
        return f"files with {rows:,} of {made.records:,} events"

    def _ask(self, asked: Window) -> Export:
        names = self._scope.names
        return Export(
            self._runs.ask(asked.start, asked.end, names), asked.start, asked.end
        )

    def _fetched(self, asked: Window, run: str, made: Made) -> Window:
        parts = []
        for number, file in enumerate(made.files):
            name = f"{number}.parquet"
            address = partial(self._runs.address, run, file)
            size = self._download.to(self._spool.open(name), address)
            parts.append(Part(Stored(name, size), "parquet", "", number))
        return replace(asked, parts=tuple(parts))


def due(start: datetime, end: datetime, export: Export | None) -> Iterator[Window]:
    """Cut a time into windows; one that PostHog was asked for comes as it was asked."""
    if export and export.start == start and export.end <= end:
        yield Window(export.start, export.end)
        start = export.end
    while start < end:
        stop = min(start + LONGEST, end)
        yield Window(start, stop)
        start = stop
