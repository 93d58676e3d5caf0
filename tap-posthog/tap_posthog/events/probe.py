"""Whether PostHog would answer for these settings. Moves nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_posthog.errors import MissingEndpointError
from tap_posthog.events.events_list import RestReader
from tap_posthog.events.exports.on_demand.runs import Runs
from tap_posthog.events.exports.store import Store
from tap_posthog.events.query.endpoint import QuerySource
from tap_posthog.progress import Stats

if TYPE_CHECKING:
    from tap_posthog.api.client import Client
    from tap_posthog.settings.settings import Settings

PROBE_SECONDS = 45.0  # for `--test`, whatever the server does: it promises a minute
logger = logging.getLogger("tap-posthog")


def probe(client: Client, settings: Settings) -> None:
    """Ask for next to nothing, from the source that a run would read.

    Raises:
        TapError: PostHog would not answer.
    """
    if settings.events_source == "files":
        store = Store(settings.files_url, settings.files_options)
        files = sum(1 for _ in store.list())
        logger.info("%s can be listed: %s objects", store.shown, f"{files:,}")
        if not settings.api_key:
            return
    if settings.events_source == "export":
        Runs(client, settings).newest()
    _ask(client, settings)
    logger.info("%s answers for project %s", settings.base_url, settings.project_id)


def _ask(client: Client, settings: Settings) -> None:
    if settings.events_source != "rest":
        try:
            QuerySource(client, settings.project_id).probe()
        except MissingEndpointError:
            if settings.events_source == "query":
                raise
        else:
            return
    RestReader(client, settings, Stats()).probe()
