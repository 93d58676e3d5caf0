"""The settings as users see them: names, defaults and words, as a JSON schema.

What may be in them is checked by settings.py, whose messages hold no secret.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

TEXT_OR_NAMES = {"type": ["array", "string"], "items": {"type": "string"}}
TEXT_OR_TEXTS = {
    "type": ["object", "string"],
    "additionalProperties": {"type": "string"},
}

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "webhook_url",
        th.StringType,
        secret=True,
        title="Webhook URL",
        description="The URL of the Patterns webhook, or of any webhook that takes "
        "JSON. The URL is the credential: it is never shown. Required, unless "
        "`webhook_urls` has one for each stream.",
    ),
    th.Property(
        "webhook_urls",
        th.CustomType(TEXT_OR_TEXTS),
        secret=True,
        title="Webhook URLs by stream",
        description="One webhook a stream, as an object of stream names and URLs. "
        "Other streams go to `webhook_url`; where there is none, they are refused.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1, maximum=1_000_000),
        default=500,
        title="Batch size",
        description="Most records in one request.",
    ),
    th.Property(
        "max_batch_bytes",
        th.IntegerType(minimum=1, maximum=1_000_000_000),
        default=1_000_000,
        title="Batch bytes",
        description="Most bytes in one request's body before compression. A single "
        "record that is larger goes alone.",
    ),
    th.Property(
        "max_batch_age_seconds",
        th.NumberType(minimum=0, maximum=86_400),
        default=10,
        title="Batch age",
        description="A record waits no longer than this for its batch to fill.",
    ),
    th.Property(
        "max_parallel_requests",
        th.IntegerType(minimum=1, maximum=128),
        default=4,
        title="Parallel requests",
        description="Requests in flight at once; 1 keeps strict order. Falls under "
        "pressure (429, 503, time-outs) and recovers after it.",
    ),
    th.Property(
        "max_requests_per_second",
        th.NumberType(minimum=0, maximum=10_000),
        title="Most requests a second",
        description="A pace for receivers with a known limit, over all senders. "
        "Decimals are allowed; none or 0: as fast as the receiver takes them.",
    ),
    th.Property(
        "timeout_seconds",
        th.NumberType(exclusive_minimum=0, maximum=3_600),
        default=30,
        title="Time-out",
        description="For one request, from connecting to the end of the answer.",
    ),
    th.Property(
        "max_retry_seconds",
        th.NumberType(minimum=0, maximum=604_800),
        default=900,
        title="Longest retry",
        description="How long one batch is retried before the run stops. The next "
        "run resumes.",
    ),
    th.Property(
        "compression",
        th.StringType(allowed_values=["none", "gzip"]),
        default="none",
        title="Compression",
        description="Of the request body: `none` or `gzip`.",
    ),
    th.Property(
        "headers",
        th.CustomType(TEXT_OR_TEXTS),
        secret=True,
        title="Headers",
        description="Extra request headers, such as Authorization: an object, or its "
        "JSON as text.",
    ),
    th.Property(
        "signing_secret",
        th.StringType,
        secret=True,
        title="Signing secret",
        description="Signs each request as the Standard Webhooks specification says "
        "(`whsec_...`).",
    ),
    th.Property(
        "allowed_event_types",
        th.CustomType(TEXT_OR_NAMES),
        title="Allowed event types",
        description="Event names to send, as an array or as text with commas; other "
        "events are not sent. Without it all are.",
    ),
    th.Property(
        "record_format",
        th.StringType(allowed_values=["event", "connector", "activity"]),
        default="event",
        title="Record format",
        description="`event`: as received. `connector`: the shape that PostHog's "
        "Patterns Connector app posts. `activity`: a row of the Activity Schema.",
    ),
    th.Property(
        "project_id",
        th.CustomType({"type": ["string", "integer"], "pattern": "^[0-9]{1,20}$"}),
        title="Project ID",
        description="Number of the PostHog project: the `team_id` of `connector` rows.",
    ),
    th.Property(
        "revenue_property",
        th.StringType,
        default="revenue",
        title="Revenue property",
        description="The event property whose number becomes `revenue_impact` in "
        "`activity` rows.",
    ),
    th.Property(
        "payload_format",
        th.StringType(allowed_values=["array", "ndjson", "envelope", "object"]),
        default="array",
        title="Payload format",
        description="`array`: a JSON array of records. `ndjson`: one record a line. "
        "`envelope`: an object with `stream`, `batch_id` and `records`. `object`: one "
        "record a request, as a JSON object (Slack, Zapier, n8n, Make).",
    ),
    th.Property(
        "on_rejected",
        th.StringType(allowed_values=["fail", "dead_letter"]),
        default="fail",
        title="On rejected records",
        description="`fail` stops the run. `dead_letter` puts the records that the "
        "receiver refuses for good into `dead_letter_path`, and goes on.",
    ),
    th.Property(
        "dead_letter_path",
        th.StringType,
        default="patterns-dead-letter.jsonl",
        title="Dead-letter file",
        description="One JSON line for each refused record: time, stream, status, "
        "response, record.",
    ),
    th.Property(
        "report_path",
        th.StringType,
        title="Report",
        description="A file that gets the run's figures as JSON at its end, however it "
        "ends: written whole or not at all.",
    ),
    th.Property(
        "load_method",
        th.StringType(allowed_values=["append-only", "upsert", "overwrite"]),
        default="append-only",
        title="Load method",
        description="A webhook only appends: `upsert` and `overwrite` change nothing, "
        "and a warning says so.",
    ),
    th.Property(
        "validate_records",
        th.BooleanType,
        default=False,
        title="Validate records",
        description="Check each record against its stream's schema. Off by default: "
        "the receiver has no schema, and checking takes most of the time.",
    ),
).to_dict()
