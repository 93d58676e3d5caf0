"""One run over the events: a cycle or, with `follow_seconds`, one after the other.

What is read in a cycle is up to the source that is there, a reader of queries or of the
events list.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog.errors import ConfigError, MissingEndpointError
from tap_posthog.events.events_list import RestReader
from tap_posthog.events.exports import rule
from tap_posthog.events.exports.source import exports_source
from tap_posthog.events.query.endpoint import QuerySource
from tap_posthog.events.query.reader import Reader
from tap_posthog.progress import Progress, terminal
from tap_posthog.settings.settings import NO_CREATED_AT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Self

    from tap_posthog.api.client import Client
    from tap_posthog.events.batch import Batch
    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.events.exports.files import FilesSource
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

logger = logging.getLogger("tap-posthog")

LOOK_BACK_SECONDS = 600  # between a follower's late passes
# PostHog allows a key 2,400 queries an hour, and 1,200 pages of the events list. A
# follower leaves the other half to the customer's own tools.
QUERY_SECONDS = 3600 / (2400 / 2)
PAGE_SECONDS = 3600 / (1200 / 2)


class Run:
    """Reads events until there are none, or for as long as it is to follow."""

    def __init__(  # noqa: PLR0913 - time is an argument
        self,
        client: Client,
        settings: Settings,
        columns: Sequence[str],
        *,
        stats: Stats,
        beside: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Take the columns to ask for beside the key; nothing is asked yet.

        `beside` is what a follower does now and then: read the other streams.
        """
        self._beside = beside
        self._client = client
        self._settings = settings
        self._columns = tuple(columns)
        self._clock = clock
        self._sleep = sleep
        self._events_list: RestReader | None = None
        self._exports: FilesSource | None = None
        self._stats = stats
        self._progress = Progress(client.traffic, self._stats, terminal=terminal())
        self._batches: Generator[Batch] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End the threads, waking those that wait, and say what was done."""
        if kind is not None:
            self._client.stop()
        if self._batches:
            self._batches.close()
        self._progress.close()
        done = kind is None
        if done or self._stats.planned:
            nothing = done and not self._progress.events
            left = self._left_to_the_next_run() if nothing else ""
            logger.info("%s%s", self._progress.summary(done=done), left)

    def batches(self, bookmark: Bookmark) -> Iterator[Batch]:
        """Give what is to be written, in order, and the bookmarks between.

        Raises:
            TapError: after the good batches before it.
        """
        self._batches = self._cycles(bookmark)
        return self._batches

    def last_words(self) -> str:
        """Say where a run stands that a signal ends."""
        return (
            f"{self._progress.events:,} events were sent. Run again; it goes on from "
            "the last state"
        )

    def _cycles(self, bookmark: Bookmark) -> Generator[Batch]:
        looked_back: float | None = None
        while True:
            began, before = self._clock(), self._client.traffic.requests
            look_back = looked_back is None or began - looked_back >= LOOK_BACK_SECONDS
            first = looked_back is None
            if look_back:
                looked_back = began
            for batch in self._cycle(bookmark, look_back=look_back, first=first):
                bookmark = batch.bookmark or bookmark
                yield batch
                reached = batch.rows[-1].timestamp if batch.rows else ""
                self._progress.advance(len(batch.rows), reached)
            if not self._settings.follow_seconds:
                break
            if look_back:
                self._beside()
            asked = self._client.traffic.requests - before
            self._pause(began, asked)
        if bookmark.at is None and self._settings.include_events:
            logger.warning(
                "No event so far has a name of include_events (%s): check the names, "
                "which are case-sensitive",
                ", ".join(self._settings.include_events),
            )

    def _cycle(
        self, bookmark: Bookmark, *, look_back: bool, first: bool
    ) -> Iterator[Batch]:
        """Read once. A server without the query endpoint says so at the first query."""
        if self._settings.events_source in {"files", "export"}:
            yield from self._files().batches(bookmark)
            return
        bookmark = rule.left_files(bookmark)
        if self._events_list is None and self._settings.events_source != "rest":
            reader = Reader(
                QuerySource(self._client, self._settings.project_id),
                self._settings,
                columns=self._columns,
                stats=self._stats,
                look_back=look_back,
                first=first,
            )
            try:
                yield from reader.batches(bookmark)
            except MissingEndpointError:
                if self._settings.events_source == "query":
                    raise
                logger.warning(
                    "%s has no query endpoint: reading the deprecated events list, "
                    "which shows no created_at",
                    self._settings.base_url,
                )
            else:
                return
        if self._settings.created_before:
            raise ConfigError(NO_CREATED_AT)
        if self._events_list is None:
            self._events_list = RestReader(self._client, self._settings, self._stats)
        yield from self._events_list.batches(bookmark)

    def _files(self) -> FilesSource:
        """Make what reads exports once; a follower asks it in each cycle."""
        if self._exports is None:
            self._exports = exports_source(
                self._client, self._settings, self._columns, self._stats
            )
        return self._exports

    def _pause(self, began: float, asked: int) -> None:
        """Sleep until the next cycle is due, or later to stay in half the quota."""
        pace = PAGE_SECONDS if self._events_list else QUERY_SECONDS
        due = began + max(self._settings.follow_seconds, asked * pace)
        self._sleep(max(0.0, due - self._clock()))

    def _left_to_the_next_run(self) -> str:
        """Say where events are that somebody has just sent, and looks for here."""
        seconds = self._settings.settle // timedelta(seconds=1)
        if not seconds:
            return ""
        return (
            f". What PostHog ingested in the last {seconds:,} s (settle_seconds) is "
            "left to the next run"
        )
