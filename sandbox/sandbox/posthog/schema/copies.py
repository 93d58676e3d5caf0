"""Events that PostHog writes to a table of their own: AI events, flag evaluations.

What a column holds is read out of the properties as a row is written, whoever
writes it.
"""

from __future__ import annotations

from sandbox.posthog.schema.table_types import Shown, Stored

AI_HEAVY = {  # column by property; these are kept nowhere else
    "$ai_input": "input",
    "$ai_output": "output",
    "$ai_output_choices": "output_choices",
    "$ai_input_state": "input_state",
    "$ai_output_state": "output_state",
    "$ai_tools": "tools",
}
_AI_TEXTS = {
    "trace_id": "$ai_trace_id",
    "session_id": "$ai_session_id",
    "parent_id": "$ai_parent_id",
    "span_id": "$ai_span_id",
    "span_type": "$ai_span_type",
    "generation_id": "$ai_generation_id",
    "experiment_id": "$ai_experiment_id",
    "span_name": "$ai_span_name",
    "trace_name": "$ai_trace_name",
    "prompt_name": "$ai_prompt_name",
    "model": "$ai_model",
    "provider": "$ai_provider",
    "framework": "$ai_framework",
}
_AI_TOKENS = """
    total input output text_input text_output image_input image_output
    audio_input audio_output video_input video_output reasoning cache_read_input
    cache_creation_input
""".split()  # noqa: SIM905 - words read better than quotes
_AI_COSTS = "input output total request web_search audio image video".split()  # noqa: SIM905 - words read better


def _column(name: str, kind: str, function: str, key: str) -> str:
    get = f"{function}(properties, '{key}')"
    if kind.startswith("Nullable"):
        get = f"if(JSONHas(properties, '{key}'), {get}, NULL)"
    return f"{name} {kind} default {get}"


_EVENT = """
uuid UUID default generateUUIDv7()
event String
properties JSON default '{}'
timestamp DateTime64(6,'UTC') default now64(6)
distinct_id String
person_id UUID default toUUID(UUIDNumToString(MD5(distinct_id)))
"""
_TEXT, _WHOLE, _REAL = "Nullable(String)", "Nullable(Int64)", "Nullable(Float64)"
AI_EVENT = Stored(
    name="ai_events",
    key="toDate(timestamp), uuid",
    columns="\n".join(
        [
            _EVENT.strip(),
            "retention_days Int64 default 30",
            *(
                _column(name, _TEXT, "JSONExtractString", key)
                for name, key in _AI_TEXTS.items()
            ),
            *(
                _column(f"{it}_tokens", _WHOLE, "JSONExtractInt", f"$ai_{it}_tokens")
                for it in _AI_TOKENS
            ),
            _column(
                "web_search_count", _WHOLE, "JSONExtractInt", "$ai_web_search_count"
            ),
            *(
                _column(
                    f"{it}_cost_usd", _REAL, "JSONExtractFloat", f"$ai_{it}_cost_usd"
                )
                for it in _AI_COSTS
            ),
            _column("latency", _REAL, "JSONExtractFloat", "$ai_latency"),
            _column(
                "time_to_first_token",
                _REAL,
                "JSONExtractFloat",
                "$ai_time_to_first_token",
            ),
            _column("is_error", "UInt8", "JSONExtractBool", "$ai_is_error"),
            _column("error", _TEXT, "JSONExtractString", "$ai_error"),
            _column("error_type", _TEXT, "JSONExtractString", "$ai_error_type"),
            _column(
                "error_normalized", _TEXT, "JSONExtractString", "$ai_error_normalized"
            ),
            *(f"{name} Nullable(String)" for name in AI_HEAVY.values()),
        ]
    ),
)
FLAG_EVALUATION = Stored(
    name="flag_evaluations",
    key="toDate(timestamp), uuid",
    columns="\n".join(
        [
            _EVENT.strip(),
            "created_at DateTime64(6,'UTC') default timestamp",
            "inserted_at DateTime64(6,'UTC') default created_at",
            _column("flag_key", "String", "JSONExtractString", "$feature_flag"),
            (
                "response String default replaceRegexpAll(JSONExtractRaw(properties,"
                " '$feature_flag_response'), '^\"|\"$', '')"
            ),
            _column("session_id", "String", "JSONExtractString", "$session_id"),
            _column(
                "request_id", "String", "JSONExtractString", "$feature_flag_request_id"
            ),
            *(
                _column(f"$group_{n}", "String", "JSONExtractString", f"$group_{n}")
                for n in range(5)
            ),
        ]
    ),
)

# PostHog keeps them so long and no longer.
_KEPT = "select * from {0} final where team_id = {{team}} and timestamp > {{now}}"

SHOWN = (
    *(
        Shown(
            name=name,
            stored=AI_EVENT,
            source=_KEPT.format("ai_events") + " - interval 30 day",
            resource="event",
        )
        for name in ("posthog.ai_events", "ai_events")
    ),
    Shown(
        name="posthog.flag_evaluations",
        stored=FLAG_EVALUATION,
        source=_KEPT.format("flag_evaluations") + " - interval 90 day",
        resource="feature_flag",
    ),
)
