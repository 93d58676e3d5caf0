"""What comes beside plain events: companies, recordings, AI calls, evaluated flags."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.workspace.setting import World

COMPANIES = ("Hazel & Söhne", "Quick Thorn Ltd", "生垣 株式会社")
CALLS = 12


def tables(world: World) -> dict[str, list[dict[str, Any]]]:
    """Give rows by HogQL's name of their table."""
    return {
        "system.group_type_mappings": [
            {"group_type": "company", "group_type_index": 0}
        ],
        "groups": [
            {
                "index": 0,
                "key": f"company-{n}",
                "properties": json.dumps({"name": name, "seats": 5 * n}),
            }
            for n, name in enumerate(COMPANIES, 1)
        ],
        "session_replay_events": [
            {
                "session_id": session,
                "distinct_id": who,
                "start_time": start,
                "end_time": end,
                "first_url": "https://app.hedgerow.example/",
                "click_count": 3 + n,
                "event_count": 40 + n,
                "snapshot_source": "web",
            }
            for n, (session, who, start, end) in enumerate(world.sessions)
        ],
        "posthog.ai_events": [_call(world, n) for n in range(CALLS)],
        "posthog.flag_evaluations": [
            {
                "uuid": f"019b0000-0000-7000-8000-{n:012x}",
                "event": "$feature_flag_called",
                "distinct_id": who,
                "timestamp": end,
                "properties": json.dumps(
                    {
                        "$feature_flag": "report-writer",
                        "$feature_flag_response": ("control", "test")[n % 2],
                        "$session_id": session,
                    }
                ),
            }
            for n, (session, who, _, end) in enumerate(world.sessions)
        ],
    }


def _call(world: World, number: int) -> dict[str, Any]:
    """Give one report that was written by a model."""
    at = world.until - timedelta(hours=1 + 7 * number)
    _, who, *_ = world.sessions[number % len(world.sessions)]
    properties = {
        "$ai_trace_id": f"trace-{number // 2}",
        "$ai_model": "small-1",
        "$ai_provider": "acme",
        "$ai_input_tokens": 900 + number,
        "$ai_output_tokens": 200,
        "$ai_total_cost_usd": 0.0021,
        "$ai_latency": 1.5 + number / 10,
    }
    return {
        "uuid": f"019c0000-0000-7000-8000-{number:012x}",
        "event": "$ai_generation",
        "distinct_id": who,
        "timestamp": f"{at:%Y-%m-%d %H:%M:%S}",
        "properties": json.dumps(properties),
        "input": "Write the weekly report.",
        "output": "[The week was quiet.]",
    }
