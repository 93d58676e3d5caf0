"""What files gave, compared with PostHog's own counts by hour of `created_at`.

An hour that PostHog counts more events of than the files gave is read again by query.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.events.query.counts import Counts
from tap_posthog.events.query.endpoint import QuerySource
from tap_posthog.events.query.windows import WindowReader
from tap_posthog.events.region import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_posthog.api.client import Client
    from tap_posthog.events.batch import Batch
    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.events.query.recheck import Ledger
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

logger = logging.getLogger("tap-posthog")

PAGES = 2  # that wait or are decoded, while others are still asked for


class Audit:
    """Asks one project for the hours of a ledger."""

    def __init__(
        self, client: Client, settings: Settings, columns: Sequence[str], stats: Stats
    ) -> None:
        """Take who asks, and which columns a row that is sent again has."""
        self._source = QuerySource(client, settings.project_id)
        self._settings = settings
        self._columns = tuple(columns)
        self._stats = stats

    def batches(self, bookmark: Bookmark, ledger: Ledger) -> Iterator[Batch]:
        """Give the rows of each hour that has more of them at PostHog.

        Raises:
            TapError: PostHog does not answer.
        """
        # Rows dated ahead were sent too: no bound but the hour's.
        whole = replace(bookmark, at=Key(timestamps.spell(timestamps.LAST), ""))
        region = ledger.region(whole)
        if region is None or region.is_empty:
            return
        workers = self._settings.max_concurrent_queries + PAGES
        pool = ThreadPoolExecutor(workers, thread_name_prefix="audit")
        try:
            counts = Counts(self._source, pool)
            windows = WindowReader(
                self._source,
                pool,
                counts,
                ahead=workers,
                columns=self._columns,
                page=self._settings.page_size,
                audit=self._settings.audit,
                stats=self._stats,
            )
            found = counts.by_hour(region, self._settings.late_window)
            for hour in ledger.compare(found):
                logger.warning(
                    "PostHog counts more events that it ingested during the hour from "
                    "%s:00Z than the files gave: sending that hour again, by query",
                    hour,
                )
                part = ledger.hour_region(hour, whole)
                (cells,) = counts.extents([part]).cells
                sent = 0
                for batch in windows.read(part, cells, None):
                    sent += len(batch.rows)
                    yield batch
                self._stats.resent += sent
                ledger.put(hour, sent)
        except BaseException:
            self._source.stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
