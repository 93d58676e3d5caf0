"""The streams of settings objects that HogQL shows, such as insights.

They are PostHog's own Postgres rows: what was deleted softly is there, with `deleted`.
"""

from __future__ import annotations

from datetime import timedelta

from tap_posthog.declarations.columns import (
    array,
    boolean,
    instant,
    integer,
    json_object,
    text,
    uuid,
)
from tap_posthog.declarations.declaration import Table

OVERLAP = timedelta(minutes=10)
WHOLE = "Has no time of a change, so it is read whole in each run."
HARD = "A row that PostHog deletes for good vanishes without a trace."
DELETED = boolean("deleted", "Whether it was deleted in PostHog.")
CREATED_AT = instant("created_at", "When it was made.")
UPDATED_AT = instant("updated_at", "When it last changed.")
CREATED_BY = integer("created_by_id", "Number of the user who made it.")

INSIGHTS = Table(
    name="insights",
    tables=("system.insights",),
    purpose="Saved insights: what each asks. Their results are not read.",
    misses=HARD,
    key=("id",),
    replication_key="updated_at",
    overlap=OVERLAP,
    columns=(
        integer("id", "Number of the insight."),
        text("short_id", "As in its URL."),
        text("name", "Its name."),
        text("description", "What somebody wrote about it."),
        json_object("filters", "What it asks, in PostHog's older form."),
        json_object("query", "What it asks."),
        json_object("query_metadata", "What the query reads."),
        DELETED,
        boolean("saved", "Whether somebody saved it."),
        boolean("favorited", "Whether somebody marked it."),
        CREATED_AT,
        CREATED_BY,
        instant("last_modified_at", "When somebody last edited it."),
        integer("last_modified_by_id", "Number of the user who did."),
        UPDATED_AT,
    ),
)
ANNOTATIONS = Table(
    name="annotations",
    tables=("system.annotations",),
    purpose="Notes on points in time, such as a release.",
    misses=HARD,
    key=("id",),
    replication_key="updated_at",
    overlap=OVERLAP,
    columns=(
        integer("id", "Number of the annotation."),
        text("content", "What it says."),
        text("scope", "Where it shows: project, organization, insight, dashboard."),
        text("creation_type", "`USR`: by a person; `GIT`: by an integration."),
        instant("date_marker", "The point in time."),
        DELETED,
        integer("dashboard_item_id", "Number of the insight it is on."),
        integer("dashboard_id", "Number of the dashboard it is on."),
        CREATED_BY,
        CREATED_AT,
        UPDATED_AT,
    ),
)
ACTIONS = Table(
    name="actions",
    tables=("system.actions",),
    purpose="Actions: events that a project has grouped under a name.",
    misses=HARD,
    key=("id",),
    replication_key="updated_at",
    overlap=OVERLAP,
    columns=(
        integer("id", "Number of the action."),
        text("name", "Its name."),
        text("description", "What somebody wrote about it."),
        DELETED,
        CREATED_AT,
        UPDATED_AT,
        array("steps", "Which events it means.", "steps_json"),
    ),
)
DASHBOARDS = Table(
    name="dashboards",
    tables=("system.dashboards",),
    purpose="Dashboards.",
    misses=f"{WHOLE} {HARD}",
    key=("id",),
    columns=(
        integer("id", "Number of the dashboard."),
        text("name", "Its name."),
        text("description", "What somebody wrote about it."),
        CREATED_AT,
        DELETED,
        json_object("filters", "Filters over all its tiles."),
        json_object("variables", "Its variables."),
    ),
)
DASHBOARD_TILES = Table(
    name="dashboard_tiles",
    tables=("system.dashboard_tiles",),
    purpose="What is on each dashboard, and where.",
    misses=f"{WHOLE} {HARD}",
    key=("id",),
    columns=(
        integer("id", "Number of the tile."),
        integer("dashboard_id", "Number of its dashboard."),
        integer("insight_id", "Number of the insight it shows."),
        integer("text_id", "Number of the text it shows."),
        text("button_tile_id", "Id of the button it shows."),
        json_object("layouts", "Place and size, by width of the screen."),
        text("color", "Colour."),
        boolean("show_description", "Whether the description shows."),
        boolean("transparent_background", "Whether it has no background."),
        json_object("filters_overrides", "Filters of this tile alone."),
        DELETED,
    ),
)
ERROR_TRACKING_ISSUES = Table(
    name="error_tracking_issues",
    tables=("system.error_tracking_issues",),
    purpose="Issues of error tracking; what happened is in `events` as `$exception`.",
    misses=f"{WHOLE} An issue that is merged into another vanishes.",
    key=("id",),
    columns=(
        uuid("id", "UUID of the issue."),
        CREATED_AT,
        text("status", "active, archived, resolved, pending_release or suppressed."),
        text("name", "Its name."),
        text("description", "What went wrong."),
    ),
)

STREAMS = (
    INSIGHTS,
    ANNOTATIONS,
    ACTIONS,
    DASHBOARDS,
    DASHBOARD_TILES,
    ERROR_TRACKING_ISSUES,
)
