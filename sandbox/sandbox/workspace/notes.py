"""What a team writes down about its data: annotations, actions, known errors."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.workspace.setting import World

ANNOTATIONS = {  # by how many days ago
    30: "New prices",
    9: "Newsletter: why every event has two clocks",
}
ACTIONS = {
    "Paid": ("purchase completed", "subscription renewed"),
    "Used a report": ("report created", "report shared"),
}


def tables(world: World) -> dict[str, list[dict[str, Any]]]:
    """Give rows by HogQL's name of their table."""
    days = {ago: world.until - timedelta(days=ago) for ago in ANNOTATIONS}
    return {
        "system.annotations": [
            {
                "id": n,
                "content": content,
                "date_marker": f"{days[ago]:%Y-%m-%d %H:%M:%S}",
                "created_at": f"{days[ago]:%Y-%m-%d %H:%M:%S}",
                "updated_at": f"{days[ago]:%Y-%m-%d %H:%M:%S}",
            }
            for n, (ago, content) in enumerate(ANNOTATIONS.items(), 1)
        ],
        "system.actions": [
            {
                "id": n,
                "name": name,
                "steps_json": json.dumps([{"event": event} for event in events]),
            }
            for n, (name, events) in enumerate(ACTIONS.items(), 1)
        ],
        "system.error_tracking_issues": [
            {
                "id": f"019a0000-0000-7000-8000-{n:012x}",
                "name": name,
                "status": status,
                "description": "In the browser, on /reports/new",
            }
            for n, (name, status) in enumerate(
                {"TypeError": "active", "ChunkLoadError": "resolved"}.items(), 1
            )
        ],
    }
