"""The settings as users meet them: titles, descriptions, defaults, which are secret.

`Settings` in `settings.py` is the same list, read and checked.
"""

from __future__ import annotations

from typing import Any, cast

from singer_sdk import typing as th

PROJECT_ID = th.CustomType({"type": ["string", "integer"], "pattern": "^[0-9]{1,20}$"})
QUERIES = th.CustomType({"type": ["array", "string"], "items": {"type": "object"}})
NAMES = th.CustomType({"type": ["array", "string"], "items": {"type": "string"}})

SETTINGS = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType,
        required=True,
        secret=True,
        title="Personal API key",
        description="Personal API key (`phx_...`) with the scope `query:read`.",
    ),
    th.Property(
        "project_id",
        PROJECT_ID,
        required=True,
        title="Project ID",
        description="Number of the project, as in its URL.",
    ),
    th.Property(
        "base_url",
        th.StringType,
        default="https://us.posthog.com",
        title="Base URL",
        description=(
            "PostHog's address: `https://us.posthog.com`, `https://eu.posthog.com`, "
            "or a self-hosted instance."
        ),
    ),
    th.Property(
        "start_at",
        th.DateTimeType,
        title="Start at",
        description=(
            "Only events with `timestamp` at or after this; UTC where no offset is "
            "given. `start_date` is accepted as an alias."
        ),
    ),
    th.Property(
        "end_at",
        th.DateTimeType,
        title="End at",
        description="Only events with `timestamp` before this.",
    ),
    th.Property(
        "created_before",
        th.DateTimeType,
        title="Created before",
        description=(
            "Only events that PostHog ingested before this: one horizon for all parts "
            "of a backfill."
        ),
    ),
    th.Property(
        "include_events",
        NAMES,
        title="Include events",
        description=(
            "Only these event names, as an array or comma-separated: "
            "`$pageview, signup`."
        ),
    ),
    th.Property(
        "exclude_events",
        NAMES,
        title="Exclude events",
        description="Not these event names, as an array or comma-separated.",
    ),
    th.Property(
        "late_window_days",
        th.IntegerType(minimum=0, maximum=3650),
        default=7,
        title="Late window, days",
        description=(
            "How far behind the bookmark late arrivals are looked for; 0 switches it "
            "off."
        ),
    ),
    th.Property(
        "settle_seconds",
        th.IntegerType(minimum=0, maximum=86_400),
        default=60,
        title="Settle, seconds",
        description=(
            "A run reads only what PostHog ingested before its own now minus this, so "
            "that events still on their way are left to the next run."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=50_000),
        default=50_000,
        title="Page size",
        description=(
            "Most rows asked for in one query, 1 to 50000; fewer where events are "
            "large. A day that holds more is read again for each page."
        ),
    ),
    th.Property(
        "max_concurrent_queries",
        th.IntegerType(minimum=1, maximum=3),
        default=2,
        title="Concurrent queries",
        description=(
            "Queries in flight at once, 1 to 3. PostHog allows 3 a project, shared "
            "with your other tools."
        ),
    ),
    th.Property(
        "events_source",
        th.StringType,
        default="auto",
        allowed_values=["auto", "query", "rest", "files", "export"],
        title="Events source",
        description=(
            "`query` (HogQL), `rest` (the deprecated events list, for old self-hosted "
            "servers), `auto`: query, and rest where the server has no query endpoint; "
            "`files`: what a batch export left in a bucket or folder; `export`: files "
            "that PostHog makes when it is asked, and bills."
        ),
    ),
    th.Property(
        "files_url",
        th.StringType,
        title="Files URL",
        description=(
            "`files` only: where the batch export writes, `s3://bucket/prefix`, "
            "`gs://...`, `az://...` or `file:///folder`."
        ),
    ),
    th.Property(
        "files_options",
        th.ObjectType(additional_properties=True),
        secret=True,
        title="Files options",
        description=(
            "`files` only: endpoint, region, keys, as obstore names them; without it "
            "the environment's credentials are used."
        ),
    ),
    th.Property(
        "rest_lookback_minutes",
        th.IntegerType(minimum=0, maximum=525_600),
        default=60,
        title="REST lookback, minutes",
        description=(
            "`rest` only: how much is read again in each run, since that API shows no "
            "`created_at`."
        ),
    ),
    th.Property(
        "include_person_properties",
        th.BooleanType,
        default=False,
        title="Include person properties",
        description="Adds the column `person_properties`.",
    ),
    th.Property(
        "request_timeout_seconds",
        th.IntegerType(minimum=1, maximum=3600),
        default=120,
        title="Request timeout, seconds",
        description="The longest that one request may take, its answer included.",
    ),
    th.Property(
        "max_wait_seconds",
        th.IntegerType(minimum=0, maximum=604_800),
        default=3900,
        title="Longest wait, seconds",
        description=(
            "The longest the tap waits on rate limits and retries for one request "
            "before it stops, resumable."
        ),
    ),
    th.Property(
        "audit",
        th.BooleanType,
        default=True,
        title="Audit",
        description=(
            "Compare each window's rows with PostHog's own count, and stop at a gap."
        ),
    ),
    th.Property(
        "recheck_hours",
        th.IntegerType(minimum=0, maximum=720),
        default=24,
        title="Recheck, hours",
        description=(
            "How far back each run looks for events that PostHog ingested earlier but "
            "showed only later; 0 switches it off."
        ),
    ),
    th.Property(
        "full_scan_days",
        th.IntegerType(minimum=0, maximum=3650),
        default=7,
        title="Full scan, days",
        description=(
            "Streams whose replication key misses some changes (`persons`, "
            "`sessions`) are read whole every so many days; 0: never."
        ),
    ),
    th.Property(
        "hogql_streams",
        QUERIES,
        title="HogQL streams",
        description=(
            "Your own HogQL queries as streams, an array of objects: `name`, `query`, "
            "`primary_key`, `replication_key`, `description`."
        ),
    ),
    th.Property(
        "report_path",
        th.StringType,
        title="Report",
        description=(
            "A file that gets the run's figures as JSON at its end, however it ends: "
            "written whole or not at all."
        ),
    ),
    th.Property(
        "follow_seconds",
        th.IntegerType(minimum=0, maximum=86_400),
        default=0,
        title="Follow, seconds",
        description=(
            "0: one sync, then exit. 10 or more: stay, and sync again every so many "
            "seconds until SIGTERM or SIGINT."
        ),
    ),
)

SETTINGS_SCHEMA = cast("dict[str, Any]", SETTINGS.to_dict())
