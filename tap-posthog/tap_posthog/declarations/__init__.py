"""The streams beside `events`, each a declaration: data that one reader can read.

In the order in which a run reads them: what changed first, what is read whole last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_posthog.declarations import activity, people, rest_lists, settings_objects

if TYPE_CHECKING:
    from tap_posthog.declarations.declaration import Declaration

DECLARATIONS: tuple[Declaration, ...] = tuple(
    sorted(
        (
            *people.STREAMS,
            *activity.STREAMS,
            *settings_objects.STREAMS,
            *rest_lists.STREAMS,
        ),
        key=lambda each: each.replication_key is None,
    )
)
