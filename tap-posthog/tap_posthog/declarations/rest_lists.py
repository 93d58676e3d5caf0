"""The streams that only PostHog's REST lists show, such as feature flags."""

from __future__ import annotations

from datetime import timedelta

from tap_posthog.declarations.columns import (
    Column,
    array,
    boolean,
    instant,
    integer,
    json_object,
    text,
    texts,
)
from tap_posthog.declarations.declaration import RestList, Walk

VANISHES = "What is deleted vanishes from the list."
GROUP_TYPES_MOST = 5  # PostHog's limit; an index from 0
NO_INDEX = -1  # a key has no null

CREATED_BY = json_object("created_by", "Who made it.")
CREATED_AT = instant("created_at", "When it was made.")
UPDATED_AT = instant("updated_at", "When it last changed.")
TAGS = texts("tags", "Tags.")
ID = integer("id", "Its number.")
NAME = text("name", "Its name.")
DESCRIPTION = text("description", "What somebody wrote about it.")

FEATURE_FLAGS = RestList(
    name="feature_flags",
    path="feature_flags",
    walks=(Walk({}, {}), Walk({"archived": "true"}, {})),
    limit=1000,
    scope="feature_flag:read",
    purpose="Feature flags with their conditions, archived ones included.",
    misses=(
        f"{VANISHES} PostHog counts each page of 1,000 as one request of local "
        "evaluation (10 units of its bill). Payloads that PostHog keeps encrypted are "
        "replaced by `redacted`."
    ),
    key=("id",),
    columns=(
        ID,
        text("key", "Key of the flag, as in code."),
        text("name", "What somebody wrote about it."),
        boolean("active", "Whether it is switched on."),
        boolean("archived", "Whether it is archived."),
        boolean("deleted", "Whether it is deleted."),
        json_object("filters", "Who gets which variant, and payloads."),
        integer("version", "Grows with each change."),
        CREATED_AT,
        UPDATED_AT,
        CREATED_BY,
        json_object("last_modified_by", "Who last changed it."),
        TAGS,
        boolean("ensure_experience_continuity", "Whether a person keeps a variant."),
        Column("experiment_set", "integers", "Experiments that use it."),
        boolean("is_remote_configuration", "Whether it only carries a payload."),
        boolean("has_encrypted_payloads", "Whether PostHog encrypts its payloads."),
        text("evaluation_runtime", "Where it may be evaluated: server, client or all."),
        text("bucketing_identifier", "What it is rolled out by."),
        instant("last_called_at", "When it was last evaluated."),
    ),
)
EXPERIMENTS = RestList(
    name="experiments",
    path="experiments",
    detail=True,
    scope="experiment:read",
    purpose="Experiments with their metrics; their results are not read.",
    misses=VANISHES,
    key=("id",),
    replication_key="updated_at",
    overlap=timedelta(minutes=10),
    columns=(
        ID,
        NAME,
        DESCRIPTION,
        text("type", "Kind of experiment."),
        text("status", "draft, running, …"),
        text("feature_flag_key", "Key of its flag."),
        json_object("feature_flag", "Its flag."),
        json_object("holdout", "Who is held out."),
        instant("start_date", "When it was launched."),
        instant("end_date", "When it ended."),
        CREATED_AT,
        UPDATED_AT,
        CREATED_BY,
        json_object("parameters", "Variants and sample size."),
        json_object("filters", "In PostHog's older form."),
        array("metrics", "Primary metrics."),
        array("metrics_secondary", "Secondary metrics."),
        array("saved_metrics", "Shared metrics that it uses."),
        json_object("exposure_criteria", "What counts as taking part."),
        json_object("stats_config", "How results are worked out."),
        text("conclusion", "won, lost, inconclusive, …"),
        text("conclusion_comment", "What somebody wrote about it."),
        boolean("archived", "Whether it is archived."),
        boolean("deleted", "Whether it is deleted."),
        TAGS,
    ),
)
SURVEYS = RestList(
    name="surveys",
    path="surveys",
    scope="survey:read",
    purpose="Surveys and their questions; the answers are events (`survey sent`).",
    misses=f"{VANISHES} Has no time of a change, so it is read whole in each run.",
    key=("id",),
    columns=(
        text("id", "UUID of the survey."),
        NAME,
        DESCRIPTION,
        text("type", "popover, widget, api, …"),
        text("schedule", "once, recurring or always."),
        array("questions", "The questions."),
        json_object("conditions", "When it shows."),
        json_object("appearance", "How it looks."),
        integer("linked_flag_id", "Number of the flag it hangs on."),
        json_object("linked_flag", "That flag."),
        json_object("targeting_flag", "Flag that says who sees it."),
        json_object("internal_targeting_flag", "Flag that PostHog keeps for it."),
        CREATED_AT,
        CREATED_BY,
        instant("start_date", "When it was launched."),
        instant("end_date", "When it ended."),
        boolean("archived", "Whether it is archived."),
        integer("responses_limit", "After how many answers it ends."),
        integer("iteration_count", "How often it is repeated."),
        integer("iteration_frequency_days", "Every how many days."),
        integer("current_iteration", "Which repetition runs."),
        boolean("enable_partial_responses", "Whether half an answer counts."),
    ),
)
EVENT_DEFINITIONS = RestList(
    name="event_definitions",
    path="event_definitions",
    scope="event_definition:read",
    purpose="Every event name that PostHog has seen, and what the team noted on it.",
    misses=(
        f"{VANISHES} Owner, description and verification are there on plans that have "
        "them. `last_seen_at` lags."
    ),
    key=("id",),
    columns=(
        text("id", "UUID of the definition."),
        NAME,
        DESCRIPTION,
        CREATED_AT,
        instant("last_seen_at", "When PostHog last saw such an event."),
        instant("last_updated_at", "When PostHog last wrote this."),
        UPDATED_AT,
        TAGS,
        json_object("owner", "Who owns it."),
        boolean("verified", "Whether the team verified it."),
        instant("verified_at", "When."),
        json_object("verified_by", "Who."),
        boolean("hidden", "Whether it is hidden in PostHog."),
        boolean("is_action", "Whether it is an action."),
        integer("action_id", "Number of the action."),
    ),
)
PROPERTY_DEFINITIONS = RestList(
    name="property_definitions",
    path="property_definitions",
    walks=(
        *(
            Walk({"type": kind}, {"type": kind, "group_type_index": NO_INDEX})
            for kind in ("event", "person", "session")
        ),
        *(
            Walk(
                {"type": "group", "group_type_index": str(index)},
                {"type": "group", "group_type_index": index},
            )
            for index in range(GROUP_TYPES_MOST)
        ),
    ),
    scope="property_definition:read",
    purpose="Every property that PostHog has seen, of whatever it is.",
    misses=f"{VANISHES} Descriptions are there on plans that have them.",
    key=("type", "group_type_index", "id"),
    columns=(
        text("type", "event, person, group or session."),
        integer("group_type_index", "Of a group's property; others have -1."),
        text("id", "UUID, or a name for what PostHog works out itself."),
        NAME,
        DESCRIPTION,
        text("property_type", "String, Numeric, Boolean or DateTime."),
        boolean("is_numerical", "Whether it is a number."),
        boolean("is_seen_on_filtered_events", "Whether a filter saw it."),
        TAGS,
        boolean("verified", "Whether the team verified it."),
        boolean("hidden", "Whether it is hidden in PostHog."),
        UPDATED_AT,
    ),
)
GROUP_TYPES = RestList(
    name="group_types",
    path="groups_types",
    bare=True,
    scope="group:read",
    purpose="What each group type is called.",
    misses="Nothing: there are at most five.",
    key=("group_type_index",),
    columns=(
        integer("group_type_index", "0 to 4, as in `groups`."),
        text("group_type", "Its name in code."),
        text("name_singular", "Its name for one."),
        text("name_plural", "Its name for several."),
        integer("detail_dashboard", "Number of its dashboard."),
        texts("default_columns", "Columns that its list shows."),
        CREATED_AT,
    ),
)

STREAMS = (
    FEATURE_FLAGS,
    EXPERIMENTS,
    SURVEYS,
    EVENT_DEFINITIONS,
    PROPERTY_DEFINITIONS,
    GROUP_TYPES,
)
