"""One invocation: its client, its source, its cycles and what is said of it.

What is read in a cycle is up to the reader; this starts one cycle or, with
`follow_seconds`, one after the other.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_posthog.api.client import Client
from tap_posthog.errors import MissingEndpointError
from tap_posthog.events.bookmark import Bookmark
from tap_posthog.events.events_list import RestReader
from tap_posthog.events.query.endpoint import QuerySource
from tap_posthog.events.query.reader import Reader
from tap_posthog.events.query.windows import Stats
from tap_posthog.progress import Progress, span, terminal, traffic_words

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from tap_posthog.events.query.reader import Batch
    from tap_posthog.settings.settings import Settings

logger = logging.getLogger("tap-posthog")

LOOK_BACK_SECONDS = 600  # between a follower's late passes
TEST_SECONDS = 45.0  # for `--test`, whatever the server does: it promises a minute
# PostHog allows a key 2,400 queries an hour, and 1,200 pages of the events list. A
# follower leaves the other half to the customer's own tools.
QUERY_SECONDS = 3600 / (2400 / 2)
PAGE_SECONDS = 3600 / (1200 / 2)


class Run:
    """Reads events until there are none, or for as long as it is to follow."""

    def __init__(
        self,
        settings: Settings,
        columns: Sequence[str],
        *,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Take the columns to ask for beside the key; nothing is asked yet.

        `patience`: seconds that all of it may take, None for no end.
        """
        self._settings = settings
        self._columns = tuple(columns)
        self._clock = clock
        self._sleep = sleep
        self._client = Client(settings, patience=patience)
        self._source = QuerySource(self._client, settings.project_id)
        self._rest: RestReader | None = None
        self._earlier = Stats()  # of a follower's finished cycles
        self._stats = Stats()
        self._progress = Progress(self._client.traffic, terminal=terminal())
        self._batches: Generator[Batch] | None = None
        self._began = clock()

    def __enter__(self) -> Self:
        """Give the run itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wake whoever waits, end the threads, and say what was done."""
        self._client.stop()
        if self._batches:
            self._batches.close()
        self._client.close()
        self._progress.close()
        if kind is None or self._stats.planned or self._earlier.planned:
            logger.info("%s", self._summary(done=kind is None))

    def batches(self, bookmark: Bookmark) -> Iterator[Batch]:
        """Give what is to be written, in order, and the bookmarks between.

        Raises:
            TapError: after the good batches before it.

        """
        self._batches = self._cycles(bookmark)
        return self._batches

    def check(self) -> None:
        """Ask whether PostHog would answer, and move nothing.

        Raises:
            TapError: it would not.

        """
        try:
            self._ask_anything()
        finally:
            self._client.close()
        logger.info(
            "%s answers for project %s",
            self._settings.base_url,
            self._settings.project_id,
        )

    def last_words(self) -> str:
        """Say where a run stands that a signal ends."""
        return (
            f"{self._progress.events:,} events were sent. Run again; it goes on from "
            "the last state"
        )

    def _ask_anything(self) -> None:
        if self._settings.events_source != "rest":
            try:
                self._source.probe()
            except MissingEndpointError:
                if self._settings.events_source == "query":
                    raise
            else:
                return
        RestReader(self._client, self._settings, Bookmark()).probe()

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
                self._progress.advance(len(batch.rows), reached, self._share())
            self._earlier += self._stats
            self._stats = Stats()
            if not self._settings.follow_seconds:
                break
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
        if self._rest is None and self._settings.events_source != "rest":
            reader = Reader(
                self._source,
                self._settings,
                bookmark,
                columns=self._columns,
                log=logger.info,
                look_back=look_back,
                first=first,
            )
            try:
                for batch in reader.batches():
                    self._stats = reader.stats
                    yield batch
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
        if self._rest is None:
            self._rest = RestReader(self._client, self._settings, bookmark)
        yield from self._rest.batches()

    def _pause(self, began: float, asked: int) -> None:
        """Sleep until the next cycle is due, or later to stay in half the quota."""
        pace = PAGE_SECONDS if self._rest else QUERY_SECONDS
        due = began + max(self._settings.follow_seconds, asked * pace)
        self._sleep(max(0.0, due - self._clock()))

    def _share(self) -> float | None:
        expected = self._stats.expected
        return min(1.0, self._stats.read / expected) if expected else None

    def _summary(self, *, done: bool) -> str:
        took = self._clock() - self._began
        events, stats = self._progress.events, self._earlier + self._stats
        rate = f" ({events / took:,.0f} events/s)" if events and took else ""
        reached = f", up to {self._progress.reached}" if self._progress.reached else ""
        return (
            f"{'Done' if done else 'Stopped'}: {events:,} events in {span(took)}{rate}"
            f"{reached}. Rows planned {stats.planned:,}, read {stats.read:,}, "
            f"duplicates dropped {stats.duplicates:,}, sent again "
            f"{stats.resent:,}. {traffic_words(self._client.traffic)}"
            f"{self._left_to_the_next_run() if done and not events else ''}"
        )

    def _left_to_the_next_run(self) -> str:
        """Say where events are that somebody has just sent, and looks for here."""
        seconds = self._settings.settle // timedelta(seconds=1)
        if not seconds:
            return ""
        return (
            f". What PostHog ingested in the last {seconds:,} s (settle_seconds) is "
            "left to the next run"
        )
