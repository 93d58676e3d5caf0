"""What a run has done, in numbers, as its report has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_posthog.events.scope import Scope
from tap_posthog.progress import Traffic
from tap_posthog.streams.base import PostHogStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk import Stream

    from tap_posthog.api.client import Client
    from tap_posthog.settings.settings import Settings


def figures(
    streams: Iterable[Stream], client: Client | None, settings: Settings
) -> dict[str, Any]:
    """Return the figures of the selected streams, and of all requests."""
    traffic = client.traffic if client else Traffic()
    read = [each for each in streams if isinstance(each, PostHogStream)]
    selected = [each for each in read if each.selected]
    return {
        "streams": {each.name: each.figures for each in selected},
        "requests": traffic.requests,
        "bytes": traffic.bytes,
        "waited_seconds": round(traffic.waited, 3),
        "scope": Scope.of(settings).to_state(),
        "until": max((each.stats.until for each in selected), default="") or None,
    }
