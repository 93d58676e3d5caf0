"""A small project with something in each of PostHog's tables and lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

DAY = "2026-11-01 00:00:00"
NOTE = {"note": "caf\u00e9", "n": 2**40, "deep": {"a": [1, None]}}
ROWS = {  # how many records each stream has, once it is furnished
    "persons": 12,
    "person_distinct_ids": 20,
    "groups": 6,
    "sessions": 15,
    "session_recordings": 4,
    "cohorts": 3,
    "cohort_members": 12,
    "insights": 3,
    "annotations": 2,
    "actions": 2,
    "dashboards": 2,
    "dashboard_tiles": 3,
    "error_tracking_issues": 2,
    "ai_events": 4,
    "flag_evaluations": 4,
    "feature_flags": 3,
    "experiments": 2,
    "surveys": 1,
    "group_types": 2,
}
CANARY = "CANARY-of-posthogs-own"


def person(number: int) -> str:
    """Return a person's UUID, in whose text and ClickHouse's orders they differ."""
    return f"{number % 7:08x}-0000-4000-8000-{number:012x}"


def furnish(sandbox: Sandbox) -> None:
    """Fill every table and list."""
    properties = json.dumps(NOTE)
    tables: dict[str, list[dict[str, Any]]] = {
        "persons": [
            {"id": person(n), "created_at": DAY, "properties": properties}
            for n in range(12)
        ],
        "raw_person_distinct_ids": [
            {"distinct_id": f"d{n}", "person_id": person(n % 12), "version": version}
            for n in range(20)
            for version in range(n % 3 + 1)
        ],
        "groups": [
            {"index": n % 2, "key": f"k'{n}", "properties": properties}
            for n in range(6)
        ],
        "system.group_type_mappings": [
            {"group_type": name, "group_type_index": n}
            for n, name in enumerate(("company", "team"))
        ],
        "sessions": [
            {
                "session_id": f"s{n}",
                "$start_timestamp": f"2026-11-{1 + n:02} 10:00:00",
                "$end_timestamp": f"2026-11-{1 + n:02} 10:30:00.123456",
                "$urls": ["https://a/", "https://b/"],
                "$is_bounce": n % 2,
            }
            for n in range(15)
        ],
        "session_replay_events": [
            {
                "session_id": f"s{n}",
                "start_time": f"2026-11-{1 + n:02} 10:00:00",
                "end_time": f"2026-11-{1 + n:02} 10:30:00",
                "surfacing_score": 0.5,
            }
            for n in range(4)
        ],
        "system.cohorts": [
            {"id": 1, "name": "dynamic", "version": 3, "filters": properties},
            {"id": 2, "name": "static", "is_static": 1},
            {"id": 3, "name": "deleted", "deleted": 1, "version": 1},
        ],
        "cohort_people": [
            {"cohort_id": cohort, "version": version, "person_id": person(n)}
            for n in range(7)
            for cohort, version in ((1, 3), (1, 2), (3, 1))
        ],
        "static_cohort_people": [
            {"cohort_id": 2, "person_id": person(n)} for n in range(5)
        ],
        "system.insights": [
            {"id": n, "short_id": f"i{n}", "query": properties} for n in range(3)
        ],
        "system.annotations": [{"id": n, "content": "x"} for n in range(2)],
        "system.actions": [
            {"id": n, "steps_json": '[{"event": "a"}]'} for n in range(2)
        ],
        "system.dashboards": [{"id": n, "name": "d"} for n in range(2)],
        "system.dashboard_tiles": [{"id": n, "dashboard_id": 1} for n in range(3)],
        "system.error_tracking_issues": [{"id": person(n)} for n in range(2)],
        "posthog.ai_events": [
            {
                "event": "$ai_generation",
                "distinct_id": "d1",
                "properties": '{"$ai_model": "m", "$ai_latency": 1.5}',
                "input": "[not JSON",
            }
            for _ in range(4)
        ],
        "posthog.flag_evaluations": [
            {
                "event": "$feature_flag_called",
                "distinct_id": "d1",
                "properties": '{"$feature_flag": "f"}',
            }
            for _ in range(4)
        ],
    }
    for table, rows in tables.items():
        sandbox.put(table, rows)
    flag = {
        "id": 1,
        "key": "remote",
        "active": True,
        "created_at": "2026-11-01T00:00:00Z",
        "filters": {"groups": [], "payloads": {"true": CANARY}},
        "has_encrypted_payloads": True,
        "team": {"api_token": CANARY, "secret_api_token": CANARY},
        "created_by": {"id": 1, "email": "a@b.c", "team": {"api_token": CANARY}},
        "tags": ["a"],
        "experiment_set": [1],
    }
    lists: dict[str, list[dict[str, Any]]] = {
        "feature_flags": [
            flag,
            {"id": 2, "key": "plain", "filters": {"payloads": {"true": "shown"}}},
            {"id": 3, "key": "old", "archived": True, "filters": {}},
        ],
        "experiments": [
            {
                "id": n,
                "name": "e",
                "feature_flag": flag,
                "metrics": [{"kind": "mean"}],
                "updated_at": "2026-11-02T00:00:00+00:00",
            }
            for n in (1, 2)
        ],
        "surveys": [
            {"id": person(1), "questions": [{"q": "why?"}], "linked_flag": flag}
        ],
    }
    for name, objects in lists.items():
        sandbox.put_list(name, objects)
