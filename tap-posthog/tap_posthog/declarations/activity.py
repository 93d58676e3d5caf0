"""The streams of what people do, beside the events: sessions, recordings, AI, flags."""

from __future__ import annotations

from datetime import timedelta

from tap_posthog.declarations.columns import (
    boolean,
    instant,
    integer,
    json_object,
    number,
    text,
    texts,
    uuid,
)
from tap_posthog.declarations.declaration import Table

UTM = ("source", "campaign", "medium", "term", "content")
CLICK_IDS = """
    fbclid gclid gad_source gclsrc dclid gbraid wbraid msclkid twclid li_fat_id
    mc_cid igshid ttclid _kx irclid
""".split()  # noqa: SIM905 - words read better than quotes
TOKENS = """
    total input output text_input text_output image_input image_output
    audio_input audio_output video_input video_output reasoning cache_read_input
    cache_creation_input
""".split()  # noqa: SIM905 - words read better than quotes
COSTS = "input output total request web_search audio image video".split()  # noqa: SIM905 - as above

SESSIONS = Table(
    name="sessions",
    tables=("sessions",),
    purpose="Sessions: entry, end, source, duration, bounce, as PostHog has them.",
    misses=(
        "A session that gets an event more than five days after its end is seen by the "
        "next whole scan. Sessions whose id is not a UUID of version 7 are not in "
        "PostHog's table."
    ),
    key=("session_id",),
    replication_key="changed_at",
    overlap=timedelta(hours=1),
    bounds=(("end_timestamp", timedelta(days=5)),),
    rescanned=True,
    window="end_timestamp",
    columns=(
        text("session_id", "As `events.session_id`."),
        text("distinct_id", "Of the session's first event."),
        instant(
            "changed_at",
            "The later of `max_inserted_at` and `end_timestamp`.",
            "greatest(max_inserted_at, `$end_timestamp`)",
        ),
        instant("session_timestamp", "The time in the session's id."),
        instant("start_timestamp", "Its first event.", "$start_timestamp"),
        instant("end_timestamp", "Its last event so far.", "$end_timestamp"),
        instant("max_inserted_at", "When PostHog last added to it; 1970: not known."),
        integer("session_duration", "Seconds from start to end.", "$session_duration"),
        boolean("is_bounce", "Whether it had one short page view.", "$is_bounce"),
        text("channel_type", "Marketing channel.", "$channel_type"),
        integer("pageview_count", "Page views.", "$pageview_count"),
        integer("autocapture_count", "Autocaptured events.", "$autocapture_count"),
        integer("screen_count", "Screens of an app.", "$screen_count"),
        integer("num_uniq_urls", "Different URLs.", "$num_uniq_urls"),
        texts("urls", "The URLs.", "$urls"),
        text("entry_current_url", "First URL.", "$entry_current_url"),
        text("entry_pathname", "Path of the first URL.", "$entry_pathname"),
        text("entry_hostname", "Host of the first URL.", "$entry_hostname"),
        text("end_current_url", "Last URL.", "$end_current_url"),
        text("end_pathname", "Path of the last URL.", "$end_pathname"),
        text("end_hostname", "Host of the last URL.", "$end_hostname"),
        text("entry_referring_domain", "Where from.", "$entry_referring_domain"),
        text(
            "last_external_click_url",
            "The last link that led away.",
            "$last_external_click_url",
        ),
        *(
            text(f"entry_utm_{tag}", f"`utm_{tag}` at entry.", f"$entry_utm_{tag}")
            for tag in UTM
        ),
        *(text(f"entry_{it}", f"`{it}` at entry.", f"$entry_{it}") for it in CLICK_IDS),
        boolean("entry_has_fbclid", "Whether it had a `fbclid`.", "$entry_has_fbclid"),
        boolean("entry_has_gclid", "Whether it had a `gclid`.", "$entry_has_gclid"),
        boolean("has_autocapture", "Whether it has such events.", "$has_autocapture"),
        boolean("has_replay_events", "Whether it was recorded.", "$has_replay_events"),
    ),
)
SESSION_RECORDINGS = Table(
    name="session_recordings",
    tables=("session_replay_events",),
    purpose="What is known of each session recording; not the recording itself.",
    misses=(
        "What changes more than two days after a recording's end, such as a deletion. "
        "PostHog drops rows after `retention_period_days`."
    ),
    key=("session_id",),
    replication_key="end_time",
    overlap=timedelta(days=2),
    window="end_time",
    columns=(
        text("session_id", "As `sessions.session_id`."),
        text("distinct_id", "Who was recorded."),
        instant("start_time", "First moment recorded."),
        instant("end_time", "Last moment recorded so far."),
        text("first_url", "First URL."),
        texts("all_urls", "All URLs."),
        integer("click_count", "Clicks."),
        integer("keypress_count", "Keys pressed."),
        integer("mouse_activity_count", "Mouse events."),
        integer("active_milliseconds", "Milliseconds with activity."),
        integer("console_log_count", "Lines in the console."),
        integer("console_warn_count", "Warnings in the console."),
        integer("console_error_count", "Errors in the console."),
        integer("size", "Bytes."),
        integer("event_count", "Events of the recording."),
        integer("message_count", "Messages it came in."),
        text("snapshot_source", "Web or mobile."),
        text("snapshot_library", "What recorded it."),
        integer("retention_period_days", "How long PostHog keeps it."),
        boolean("is_deleted", "Whether somebody deleted it."),
        texts("ai_tags_fixed", "Tags by PostHog's AI, of a fixed list."),
        texts("ai_tags_freeform", "Tags by PostHog's AI, free."),
        boolean("ai_highlighted", "Whether PostHog's AI points it out."),
        number("surfacing_score", "How much PostHog thinks it worth watching."),
    ),
)
AI_EVENTS = Table(
    name="ai_events",
    tables=("posthog.ai_events", "ai_events"),
    purpose=(
        "Calls of language models, prompts and completions included: since 30 April "
        "2026 PostHog keeps those nowhere else, and here for 30 days."
    ),
    misses=(
        "What comes more than two days late: PostHog shows no time of ingestion here. "
        "Run at least daily; after 30 days a row is gone."
    ),
    key=("uuid",),
    replication_key="timestamp",
    overlap=timedelta(days=2),
    window="timestamp",
    kept=timedelta(days=30),
    first_rows=200,
    columns=(
        uuid("uuid", "Of the event, as in `events`."),
        text("event", "`$ai_generation`, `$ai_span`, `$ai_trace`, …"),
        instant("timestamp", "When it happened."),
        text("distinct_id", "Whom it is about."),
        uuid("person_id", "The person, as of the query."),
        json_object("properties", "As PostHog holds them, without the heavy ones."),
        text("trace_id", "Trace that it is part of."),
        text("session_id", "AI session."),
        text("parent_id", "Span above."),
        text("span_id", "This span."),
        text("span_type", "What kind of span."),
        text("generation_id", "This generation."),
        text("experiment_id", "Experiment."),
        text("span_name", "Name of the span."),
        text("trace_name", "Name of the trace."),
        text("prompt_name", "Name of the prompt."),
        text("model", "Model."),
        text("provider", "Provider."),
        text("framework", "Framework."),
        *(integer(f"{it}_tokens", f"Tokens: {it.replace('_', ' ')}.") for it in TOKENS),
        integer("web_search_count", "Web searches."),
        *(
            number(f"{it}_cost_usd", f"Cost in USD: {it.replace('_', ' ')}.")
            for it in COSTS
        ),
        number("latency", "Seconds that it took."),
        number("time_to_first_token", "Seconds to the first token."),
        boolean("is_error", "Whether it failed."),
        text("error", "What failed."),
        text("error_type", "Kind of failure."),
        text("error_normalized", "What failed, without what differs each time."),
        text("input", "Prompt, as text: JSON or not."),
        text("output", "Answer, as text."),
        text("output_choices", "Answers, as text."),
        text("input_state", "State before, as text."),
        text("output_state", "State after, as text."),
        text("tools", "Tools on offer, as text."),
    ),
)
FLAG_EVALUATIONS = Table(
    name="flag_evaluations",
    tables=("posthog.flag_evaluations",),
    purpose=(
        "Each evaluation of a feature flag. From 30 November 2026 PostHog moves "
        "`$feature_flag_called` out of `events`, organisation by organisation; this is "
        "where they go."
    ),
    misses="Nothing: `inserted_at` is the time of ingestion. PostHog keeps 90 days.",
    key=("uuid",),
    replication_key="inserted_at",
    overlap=timedelta(minutes=10),
    window="inserted_at",
    kept=timedelta(days=90),
    columns=(
        uuid("uuid", "Of the event."),
        text("event", "`$feature_flag_called`."),
        instant("timestamp", "When it happened."),
        instant("created_at", "When PostHog took it in."),
        instant("inserted_at", "When PostHog wrote it."),
        text("distinct_id", "Whom it is about."),
        uuid("person_id", "The person, as of the query."),
        text("flag_key", "Key of the flag."),
        text("response", "What the flag said."),
        text("session_id", "As `sessions.session_id`."),
        text("request_id", "Of the evaluation."),
        *(
            text(f"group_{n}", f"Key of the group of type {n}.", f"$group_{n}")
            for n in range(5)
        ),
        json_object("properties", "As PostHog holds them."),
    ),
)

STREAMS = (SESSIONS, SESSION_RECORDINGS, AI_EVENTS, FLAG_EVALUATIONS)
