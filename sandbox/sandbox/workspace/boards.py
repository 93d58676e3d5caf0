"""Insights, and the dashboards that show them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.workspace.setting import World

INSIGHTS = (
    ("Sign-ups a week", "TrendsQuery", ("signup completed",)),
    ("From visit to payment", "FunnelsQuery", ("$pageview", "signup completed")),
    ("Who comes back", "RetentionQuery", ("signup completed",)),
    ("Revenue", "TrendsQuery", ("purchase completed", "subscription renewed")),
)
DASHBOARDS = ("Growth", "Money")


def tables(world: World) -> dict[str, list[dict[str, Any]]]:
    """Give rows by HogQL's name of their table."""
    insights = []
    for n, (name, kind, events) in enumerate(INSIGHTS, 1):
        source = {"kind": kind, "series": [{"event": event} for event in events]}
        at = f"{world.until - timedelta(days=40 - n):%Y-%m-%d %H:%M:%S}"
        insights.append(
            {
                "id": n,
                "short_id": f"h3dge{n:03}",
                "name": name,
                "query": json.dumps({"kind": "InsightVizNode", "source": source}),
                "created_at": at,
                "last_modified_at": at,
                "updated_at": at,
                "favorited": int(n == 1),
            }
        )
    return {
        "system.insights": insights,
        "system.dashboards": [
            {"id": n, "name": name} for n, name in enumerate(DASHBOARDS, 1)
        ],
        "system.dashboard_tiles": [
            {
                "id": n,
                "dashboard_id": 1 if n < len(INSIGHTS) else 2,
                "insight_id": n,
                "layouts": json.dumps({"sm": {"x": 6 * (n % 2), "y": 0, "w": 6}}),
            }
            for n in range(1, len(INSIGHTS) + 1)
        ],
    }
