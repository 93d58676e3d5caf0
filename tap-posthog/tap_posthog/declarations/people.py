"""The streams of people: persons and their ids, groups, cohorts and their members."""

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

PERSONS = Table(
    name="persons",
    tables=("persons",),
    purpose=(
        "People with their properties. Join to events through `person_distinct_ids`."
    ),
    misses=(
        "PostHog moves `last_seen_at` once an hour, to the hour of an event: somebody "
        "who is new with a late event, properties set without one, and persons that a "
        "merge or a deletion removed, show at the next whole scan; a removed person's "
        "row stays with its target, and `person_distinct_ids` says where its ids went. "
        "Events without a person profile have no row here."
    ),
    key=("id",),
    replication_key="changed_at",
    overlap=timedelta(hours=2),
    rescanned=True,
    columns=(
        uuid("id", "UUID of the person, as in `person_id` of other streams."),
        instant("created_at", "When PostHog first saw the person."),
        instant(
            "changed_at",
            "`last_seen_at`, or `created_at` where that is not known.",
            "coalesce(last_seen_at, created_at)",
        ),
        instant("last_seen_at", "Hour of the last event; since February 2026."),
        boolean("is_identified", "Whether the person was identified."),
        json_object("properties", "Properties of the person, as of now."),
    ),
)
PERSON_DISTINCT_IDS = Table(
    name="person_distinct_ids",
    tables=("raw_person_distinct_ids",),
    grouped=True,
    purpose=(
        "Which person each distinct id belongs to: the way from events to persons that "
        "stays right when persons are merged or split. The row with the highest "
        "`version` holds."
    ),
    misses=(
        "PostHog keeps no time of a change, so it is read whole in each run. Often two "
        "to ten times as many rows as persons."
    ),
    key=("distinct_id",),
    columns=(
        text("distinct_id", "As in `events.distinct_id`, which never changes."),
        uuid(
            "person_id", "The person it belongs to now.", "argMax(person_id, version)"
        ),
        boolean(
            "is_deleted",
            "Whether the id was taken off its person.",
            "argMax(is_deleted, version)",
        ),
        integer("version", "Grows with each merge or split.", "max(version)"),
    ),
)
GROUPS = Table(
    name="groups",
    tables=("groups",),
    purpose="Groups (companies, teams, …) with their properties, of each group type.",
    misses="Nothing: PostHog moves `updated_at` with each write, and deletes none.",
    key=("group_type_index", "key"),
    replication_key="updated_at",
    overlap=timedelta(hours=1),
    columns=(
        integer("group_type_index", "Which type: see `group_types`.", "index"),
        text("key", "Key of the group within its type."),
        instant("created_at", "When PostHog first saw the group."),
        instant("updated_at", "When PostHog last wrote the group."),
        json_object("properties", "Properties of the group, as of now."),
    ),
)
COHORTS = Table(
    name="cohorts",
    tables=("system.cohorts",),
    purpose="Cohorts: what defines them, how many they hold, as of when.",
    misses="Has no time of a change, so it is read whole. Deleted ones have `deleted`.",
    key=("id",),
    columns=(
        integer("id", "Number of the cohort."),
        text("name", "Its name."),
        text("description", "What somebody wrote about it."),
        boolean("deleted", "Whether it was deleted in PostHog."),
        boolean("is_static", "Whether its members were listed, not worked out."),
        integer("version", "Grows each time a dynamic cohort is worked out."),
        integer("count", "Number of members when it was last worked out."),
        json_object("filters", "What defines a dynamic cohort."),
        array("groups", "The same in PostHog's older form."),
        json_object("query", "The query that defines it, where one does."),
        instant("created_at", "When it was made."),
        instant("last_calculation", "When it was last worked out."),
    ),
)
COHORT_MEMBERS = Table(
    name="cohort_members",
    tables=("cohort_people", "static_cohort_people"),
    purpose="Who is in each cohort that is not deleted.",
    misses=(
        "A member who leaves has no row any more: keep the rows whose `cohort_version` "
        "is the `version` in `cohorts`. Static cohorts have no version and are read "
        "whole in each run. A merge may have removed the person."
    ),
    key=("cohort_id", "person_id"),
    columns=(
        integer("cohort_id", "Number of the cohort."),
        uuid("person_id", "UUID of the member."),
        integer("cohort_version", "Version of the cohort that was read; static: null."),
    ),
)

STREAMS = (PERSONS, PERSON_DISTINCT_IDS, GROUPS, COHORTS, COHORT_MEMBERS)
