"""What reads exports, made for what the settings ask: files that lie, or on demand."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_posthog import timestamps
from tap_posthog.events.exports.audit import Audit
from tap_posthog.events.exports.files import FilesSource
from tap_posthog.events.exports.on_demand.runs import Runs
from tap_posthog.events.exports.on_demand.source import ExportSource
from tap_posthog.events.exports.store import Store
from tap_posthog.events.query import questions
from tap_posthog.events.query.endpoint import QuerySource
from tap_posthog.events.query.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_posthog.api.client import Client
    from tap_posthog.events.batch import Batch
    from tap_posthog.events.bookmark import Bookmark
    from tap_posthog.progress import Stats
    from tap_posthog.settings.settings import Settings

logger = logging.getLogger("tap-posthog")


def exports_source(
    client: Client, settings: Settings, columns: Sequence[str], stats: Stats
) -> FilesSource:
    """Make it; the store, if there is one, is opened.

    Raises:
        ConfigError: `files_options` do not fit, or the extra is not installed.
    """
    given = (settings, columns, stats)
    audit = Audit(client, *given) if settings.api_key else None
    if settings.events_source == "files":
        if audit is None:
            logger.info(
                "Without an api_key the files are not compared with PostHog's counts"
            )
        store = Store(settings.files_url, settings.files_options)
        return FilesSource(store, *given, audit)
    source = QuerySource(client, settings.project_id)

    def now() -> datetime:
        return timestamps.read(str(source.ask(questions.Clock())[0][0]))

    def widen(bookmark: Bookmark) -> Iterator[Batch]:
        reader = Reader(source, settings, columns=tuple(columns), stats=stats)
        return reader.batches(bookmark, only_widen=True)

    return ExportSource(Runs(client, settings), *given, audit, now=now, widen=widen)
