"""What a batch export left in a store, as a source of events: one run's rows.

    widen    what the settings ask for beyond the state's scope, from files read before
    history  files by event time, where nothing was read yet
    windows  by insertion, in order; a state behind each

Which rows are kept is `rule.py`'s; here is which windows are read, and when to stop.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.errors import FilesError
from tap_posthog.events.batch import Batch
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.exports import keys, rule
from tap_posthog.events.exports.formats.copies import Copies
from tap_posthog.events.exports.formats.rows import clocks, is_by_event_time, rows
from tap_posthog.events.query.recheck import Ledger
from tap_posthog.events.region import Key
from tap_posthog.events.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_posthog.events.exports.audit import Audit
    from tap_posthog.events.exports.keys import Window
    from tap_posthog.events.exports.store import Store
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

logger = logging.getLogger("tap-posthog")


class FilesSource:
    """Reads what a bookmark leaves to read, as far as there are windows."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        columns: Sequence[str],
        stats: Stats,
        audit: Audit | None = None,
    ) -> None:
        """Take where files lie, which columns are wanted, and who counts at PostHog."""
        self._store = store
        self._settings = settings
        self._audit = audit
        self._columns = columns
        self._stats = stats
        self._scope = Scope.of(settings)
        self._margins = rule.Margins(settings.settle, settings.late_window)
        self._bookmark = Bookmark()
        self._ledger = Ledger({}, (), self._scope, settings.late_window)
        self._lossy_said = self._said = False

    def batches(self, bookmark: Bookmark) -> Iterator[Batch]:
        """Read all windows that are complete, in order.

        Raises:
            TapError: after the good batches before it.
        """
        self._bookmark = replace(bookmark, export=None)
        found = keys.windows(
            self._store.list(),
            self._store.read,
            always_manifest=self._store.always_manifest,
        )
        complete = self._complete(found)
        if not complete:
            logger.info("No complete window is under %s yet", self._store.shown)
            return
        yield from self._change_scope(complete)
        if bookmark.at is None:
            logger.info(
                "Without a state, what PostHog ingested before the first window (%s) "
                "is not there to read",
                complete[0],
            )
        if bookmark.at is None or rule.is_history(self._bookmark):
            complete = yield from self._history(complete)
        yield from self._windows(complete)

    def _complete(self, found: list[Window]) -> list[Window]:
        """Return the windows before the first that is not complete and still owed."""
        needed = rule.needed_from(self._bookmark)
        if before := self._settings.created_before:  # no window beyond it is begun
            before += self._margins.settle
            found = [window for window in found if window.end <= before]
        for n, window in enumerate(found):
            if window.unfinished and (needed is None or window.end > needed):
                logger.warning(
                    "The window %s is not complete: %s. It and what follows are left "
                    "to the next run",
                    window,
                    window.unfinished,
                )
                return [each for each in found[:n] if not each.unfinished]
        return [each for each in found if not each.unfinished]

    def _change_scope(self, complete: list[Window]) -> Iterator[Batch]:
        """Read what the settings ask for beyond the state's scope from old files."""
        if self._bookmark.scope != self._scope:
            files = self._bookmark.files
            self._bookmark = replace(self._bookmark.narrowed(self._scope), files=files)
            self._bookmark = self._bookmark.widen(self._scope)
        widening = self._bookmark.widening
        if not widening:
            return
        logger.info(
            "The state is of %s, the settings ask for %s: what this adds is read first",
            widening.scope,
            self._scope,
        )
        claimed = self._bookmark
        before = claimed.files.through if claimed.files else claimed.ingested_before
        for window in complete:
            again = self._bookmark.files and self._bookmark.files.again
            if (before and window.start >= before) or (again and window.end <= again):
                continue
            keeping = rule.Rule(
                claimed, self._scope, window.end, self._margins, beyond=widening.scope
            )
            yield from self._read(window, keeping)
            if self._bookmark.files:
                files = replace(self._bookmark.files, again=window.end)
                yield self._safe(replace(self._bookmark, files=files))
        done = self._bookmark.widened()
        if done.files:
            done = replace(done, files=replace(done.files, again=None))
        yield self._safe(done)

    def _history(self, complete: list[Window]):  # type: ignore[no-untyped-def]  # noqa: ANN202
        """Read the files by event time that come first; return the windows behind."""
        behind = next(
            (
                n
                for n, window in enumerate(complete)
                if not self._is_by_event_time(window)
            ),
            len(complete),
        )
        first, rest = complete[:behind], complete[behind:]
        if not first:
            return rest
        until = rest[0].start if rest else self._horizon(first)
        until = min(until, self._settings.created_before or until)
        if read := self._bookmark.files:
            first = [window for window in first if window.end > read.through]
            if until > read.until and (first or rest):
                self._check_reach(rest[0] if rest else first[0], read.until)
        logger.info(
            "%s windows hold events by timestamp, as a backfill in PostHog's screens "
            "makes them: of these, what was ingested before %s is read",
            f"{len(first):,}",
            timestamps.spell(until),
        )
        for window in first:
            keeping = rule.Rule(
                replace(self._bookmark, at=None, files=None),
                self._scope,
                until,
                self._margins,
            )
            yield from self._read(window, keeping)
            yield self._safe(
                rule.history_passed(self._bookmark, window, until, self._margins)
            )
        return rest

    def _horizon(self, windows: list[Window]) -> datetime:
        """Say up to which `created_at` each of these files has all of its events."""
        ends = []
        for window in windows:
            last = max(
                (
                    created
                    for part in window.parts
                    for *_, created in clocks(self._store, part)
                ),
                default="",
            )
            made = window.start + rule.GAPS_FOR  # such a file is made no earlier
            ends.append(max(timestamps.read(last), made) if last else made)
        return timestamps.before(min(ends), self._margins.settle)

    def _windows(self, complete: list[Window]) -> Iterator[Batch]:
        needed = rule.needed_from(self._bookmark)
        wanted = self._wanted(complete, needed)
        if not wanted:
            return
        until = timestamps.before(wanted[-1].end, self._margins.settle)
        horizon = self._bookmark.horizon if self._bookmark.at else None
        if horizon and until <= horizon and wanted[-1].end > (needed or horizon):
            return
        if needed and self._bookmark.at and not self._bookmark.files:
            self._check_reach(complete[0], needed)
        first = needed or wanted[0].start
        until = self._enter(first, until, f"from {self._store.shown}")
        for window in wanted:
            if self._is_by_event_time(window):
                msg = (
                    f"The window {window} holds events by timestamp, as a backfill in "
                    "PostHog's screens makes them, so what else was ingested then is "
                    "not in it. Run once with events_source: query, which goes on from "
                    "the state; then with files again"
                )
                raise FilesError(msg)
            keeping = rule.Rule(self._bookmark, self._scope, until, self._margins)
            yield from self._read(window, keeping)
            passed = rule.passed(self._bookmark, window, until, self._margins)
            if passed:
                yield self._safe(passed)
        if self._audit:
            yield from self._audit.batches(self._bookmark, self._ledger)
            yield self._safe(self._bookmark)

    def _enter(self, first: datetime, until: datetime, where: str) -> datetime:
        """Begin to read windows from `first` on; return up to which `created_at`."""
        self._bookmark = rule.entered(self._bookmark, first, self._margins)
        if files := self._bookmark.files:
            until = max(until, files.until)
        self._stats.until = timestamps.spell(until)
        since = self._bookmark  # hours are counted from the first window on
        if not since.at:
            since = replace(since, at=Key("", ""), ingested_before=first)
        hours = self._settings.recheck_hours if self._audit else 0
        window = self._margins.late_window
        self._ledger = Ledger.of(since, self._scope, window, until, hours)
        if not self._said:
            self._said = True
            before = f"{where}, as ingested before {self._stats.until}"
            logger.info("%s", self._scope.reading(self._bookmark.at, before))
        return until

    def _wanted(self, complete: list[Window], needed: datetime | None) -> list[Window]:
        """Return the windows that hold what is owed, those that came late too."""
        gaps = self._bookmark.files.gaps if self._bookmark.files else ()
        return [
            each
            for each in complete
            if needed is None
            or each.end > needed
            or rule.fill(gaps, each.start, each.end) != gaps
        ]

    def _check_reach(self, first: Window, needed: datetime) -> None:
        """Refuse to go over to files that begin after where queries ended."""
        if first.start > needed:
            msg = (
                f"The files begin at {timestamps.spell(first.start)}, but to go on "
                "from the state they must reach back to "
                f"{timestamps.spell(needed)}. Run with events_source: query until they "
                "do, or have PostHog backfill them"
            )
            raise FilesError(msg)

    def _is_by_event_time(self, window: Window) -> bool:
        found = [is_by_event_time(self._store, part) for part in window.parts]
        return any(found) and False not in found

    def _read(self, window: Window, keeping: rule.Rule) -> Iterator[Batch]:
        for part in window.parts:
            if part.format == "jsonl" and not self._lossy_said:
                self._lossy_said = True
                logger.warning(
                    "These files are JSONLines, for which PostHog writes properties "
                    "anew: numbers beyond 2^63 are rounded there, repeated keys lost. "
                    "Set the export's format to Parquet to get them as they are"
                )
            copies = Copies(self._store, part)
            for found in rows(self._store, part, self._columns):
                kept = [
                    row
                    for row in copies.keep(found)
                    if keeping.keeps(
                        row.timestamp,
                        row.uuid,
                        row.created_at,
                        row.inserted_at,
                        row.name,
                    )
                ]
                for row in kept:
                    self._ledger.add(row)
                self._stats.read += len(found)
                yield Batch(kept, None)
            self._stats.duplicates += copies.dropped
        self._stats.windows += 1

    def _safe(self, bookmark: Bookmark) -> Batch:
        counts = self._ledger.counts
        self._bookmark = replace(bookmark, scope=self._scope, ledger=counts)
        return Batch([], self._bookmark)
