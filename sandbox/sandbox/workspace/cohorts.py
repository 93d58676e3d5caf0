"""Cohorts, and who is in them: one by a rule, one by hand, one that was deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.workspace.setting import World

PAYING, INTERVIEWED, OLD = 1, 2, 3
VERSION = 14  # of the rule's last calculation
RULE = {
    "properties": {
        "type": "OR",
        "values": [
            {"key": "plan", "type": "person", "operator": "is_not", "value": ["free"]}
        ],
    }
}


def tables(world: World) -> dict[str, list[dict[str, Any]]]:
    """Give rows by HogQL's name of their table."""
    paying = [who for who, plan in world.people if plan != "free"]
    asked = [who for who, _ in world.people[::40]]
    day = f"{world.until:%Y-%m-%d} 04:00:00"
    cohorts = [
        {
            "id": PAYING,
            "name": "Paying customers",
            "description": "Whoever has a plan that costs something.",
            "filters": json.dumps(RULE),
            "version": VERSION,
            "count": len(paying),
            "last_calculation": day,
        },
        {
            "id": INTERVIEWED,
            "name": "Interviewed in spring",
            "is_static": 1,
            "count": len(asked),
        },
        {"id": OLD, "name": "Beta testers", "deleted": 1, "version": 2, "count": 0},
    ]
    return {
        "system.cohorts": [each | {"created_at": day} for each in cohorts],
        "cohort_people": [
            {"cohort_id": PAYING, "version": VERSION, "person_id": who}
            for who in paying
        ],
        "static_cohort_people": [
            {"cohort_id": INTERVIEWED, "person_id": who} for who in asked
        ],
    }
