"""The usual reader's one query: a page of events after the last timestamp.

What peers and floors share, so that they read the same bytes from the same server.
"""

from __future__ import annotations

from typing import Any

PROJECT = "1"
API_KEY = "phx_sandbox"
PATH = f"/api/projects/{PROJECT}/query/"
PAGE_SIZE = 50_000  # the default
COLUMNS = (
    "uuid",
    "event",
    "distinct_id",
    "timestamp",
    "created_at",
    "properties",
    "elements_chain",
    "person_id",
    "session_id",
    "window_id",
)
SELECT = ", ".join(COLUMNS).replace("session_id, window_id", "$session_id, $window_id")


def page(after: str | None, size: int) -> dict[str, Any]:
    """Give the body that asks for ``size`` events after an RFC 3339 time."""
    where = f" where timestamp > toDateTime('{after}')" if after else ""
    return {
        "query": {
            "kind": "HogQLQuery",
            "query": f"select {SELECT} from events{where}"  # noqa: S608 - own values
            f" order by timestamp limit {size}",
            "modifiers": {"convertToProjectTimezone": False},
        },
        "refresh": "force_blocking",
    }
