"""Persons, their distinct ids, groups, cohort members: as PostHog stores them."""

from __future__ import annotations

from sandbox.posthog.schema.table_types import Shown, Stored

# As in PostHog the row with the highest version stays, in whatever order they come;
# a row that is put without one is newer than all before.
PERSON = Stored(
    name="person",
    key="id",
    columns="""
id UUID
created_at DateTime64(3,'UTC') default now64(3)
properties JSON default '{}'
is_identified Int8
last_seen_at Nullable(DateTime64(3,'UTC'))
is_deleted Int8
version UInt64 default toUnixTimestamp64Micro(now64(6))
""",
    version="version",
)
DISTINCT_ID = Stored(
    name="person_distinct_id2",
    key="distinct_id",
    columns="""
distinct_id String
person_id UUID
is_deleted Int8
version Int64
""",
    version="version",
)
GROUP = Stored(
    name="groups",
    key="index, key",
    columns="""
index UInt8
key String
created_at DateTime64(3,'UTC') default now64(3)
updated_at DateTime('UTC') default now()
properties JSON default '{}'
""",
)
GROUP_TYPE = Stored(
    name="group_type_mappings",
    key="group_type",
    columns="""
group_type String
group_type_index UInt8
created_at DateTime64(6,'UTC') default now64(6)
""",
)
COHORT_PERSON = Stored(
    name="cohortpeople",
    key="cohort_id, version, person_id",
    columns="""
person_id UUID
cohort_id Int64
version Int64
sign Int8 default 1
""",
)
STATIC_COHORT_PERSON = Stored(
    name="person_static_cohort",
    key="cohort_id, person_id",
    columns="""
person_id UUID
cohort_id Int64
""",
)

_UNDELETED = "select * from {0} final where team_id = {{team}} and is_deleted = 0"
_RAW = frozenset({"is_deleted", "version"})

SHOWN = (
    Shown(
        name="persons",
        stored=PERSON,
        source=_UNDELETED.format("person") + " and created_at < {now} + interval 1 day",
        lacking=_RAW,
        resource="person",
    ),
    Shown(
        name="raw_persons",
        stored=PERSON,
        source="select * from person where team_id = {team}",
        resource="person",
    ),
    Shown(
        name="person_distinct_ids",
        stored=DISTINCT_ID,
        source=_UNDELETED.format("person_distinct_id2"),
        lacking=_RAW,
        resource="person",
    ),
    Shown(
        name="raw_person_distinct_ids",
        stored=DISTINCT_ID,
        source="select * from person_distinct_id2 where team_id = {team}",
        resource="person",
    ),
    Shown(
        name="person_distinct_id_overrides",
        stored=DISTINCT_ID,
        source=_UNDELETED.format("person_distinct_id2") + " and version > 0",
        lacking=_RAW,
        resource="person",
    ),
    Shown(name="groups", stored=GROUP, resource="group"),
    Shown(
        name="system.group_type_mappings",
        stored=GROUP_TYPE,
        lacking=frozenset({"group_type_index"}),  # in PostHog's table, too
        resource="group",
    ),
    Shown(
        name="cohort_people",
        stored=COHORT_PERSON,
        source=(
            "select distinct person_id, cohort_id, team_id from cohortpeople final"
            " where team_id = {team} and (cohort_id, version) in (select id, version"
            " from system_cohorts final where team_id = {team} and is_static = 0)"
        ),
        lacking=frozenset({"version", "sign"}),
        resource="cohort",
    ),
    Shown(name="raw_cohort_people", stored=COHORT_PERSON, resource="cohort"),
    Shown(name="static_cohort_people", stored=STATIC_COHORT_PERSON, resource="cohort"),
)
