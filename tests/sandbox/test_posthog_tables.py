"""HogQL's tables beside `events`: sessions, copies of events, settings, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support.rows import fill
from tests.support.sandbox import PROJECT_TOKEN

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

NOW = "2026-05-01T12:00:00Z"
SESSION = "019dd000-0000-7000-8000-000000000001"
TABLES = """
    persons raw_persons person_distinct_ids raw_person_distinct_ids groups sessions
    session_replay_events cohort_people static_cohort_people posthog.ai_events
    posthog.flag_evaluations system.cohorts system.insights system.annotations
    system.actions system.dashboards system.dashboard_tiles
    system.error_tracking_issues system.information_schema.columns
""".split()  # noqa: SIM905 - words read better than quotes


def capture(sandbox: Sandbox, *events: dict[str, Any]) -> None:
    """Send one batch in."""
    usual = {"event": "e", "distinct_id": "d", "timestamp": "2026-05-01T10:00:00Z"}
    body = {"api_key": PROJECT_TOKEN, "batch": [usual | event for event in events]}
    requests.post(f"{sandbox.url}/batch/", json=body, timeout=60).raise_for_status()


def view(at: str, url: str, event: str = "$pageview", **more: str) -> dict[str, Any]:
    """Make an event of the session."""
    own = {"$session_id": SESSION, "$current_url": url, **more}
    return {"event": event, "timestamp": f"2026-05-01T{at}Z", "properties": own}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_there_with_columns_and_types(sandbox: Sandbox, table: str) -> None:
    """Asked as one asks for the columns: nothing but their names and types."""
    answer = sandbox.post_query(f"select * from {table} limit 0")  # noqa: S608 - a test's own

    body = answer.json()
    assert answer.status_code == 200, body
    assert [name for name, _ in body["types"]] == body["columns"] != []
    assert body["results"] == []
    assert body["warnings"] is None


def test_a_session_is_the_events_that_share_its_id(sandbox: Sandbox) -> None:
    """It grows with each of them; ids that are no version 7 UUID have no session."""
    sandbox.behave(frozen_at=NOW)
    capture(
        sandbox,
        view("10:00:00", "https://x.example/a?q=1", utm_source="news"),
        view("10:00:30", "https://x.example/b"),
        view("10:01:00", "https://x.example/b", "$autocapture"),
        {"properties": {"$session_id": "no-uuid"}},
    )
    sql = (
        "select session_id, $start_timestamp, $end_timestamp, max_inserted_at,"
        " $entry_pathname, $end_current_url, $pageview_count, $autocapture_count,"
        " $session_duration, $is_bounce, $entry_utm_source, $num_uniq_urls"
        " from sessions where $end_timestamp >= toDateTime64('2026-04-26 00:00:00',"
        " 6, 'UTC') order by session_id limit 10"
    )
    (before,) = sandbox.hogql(sql)
    capture(sandbox, view("11:00:00", "https://x.example/c"))
    (after,) = sandbox.hogql(sql)

    assert before == [
        SESSION,
        "2026-05-01T10:00:00Z",
        "2026-05-01T10:01:00Z",
        NOW,
        "/a",
        "https://x.example/b",
        2,
        1,
        60,
        0,
        "news",
        2,
    ]
    assert (after[2], after[6], after[8]) == ("2026-05-01T11:00:00Z", 3, 3600)


def test_sessions_may_be_put_too(sandbox: Sandbox) -> None:
    """What the row leaves out is PostHog's nothing: 1970, null."""
    sandbox.put("sessions", [{"session_id": "s", "$end_timestamp": NOW}])

    rows = sandbox.hogql(
        "select session_id, greatest(max_inserted_at, $end_timestamp) as changed_at,"
        " max_inserted_at, $entry_pathname from sessions"
    )
    assert rows == [["s", NOW, "1970-01-01T00:00:00Z", None]]


def test_an_ai_event_is_in_two_tables(sandbox: Sandbox) -> None:
    """Its heavy properties are in one of them only."""
    sandbox.behave(frozen_at=NOW)
    own = {
        "$ai_model": "m",
        "$ai_input": [{"role": "user"}],
        "$ai_output": "plain",
        "$ai_input_tokens": 7,
        "$ai_latency": 0.5,
    }
    capture(sandbox, {"event": "$ai_generation", "properties": own})

    rows = sandbox.hogql(
        "select model, input, output, input_tokens, output_tokens, latency"
        " from posthog.ai_events"
    )
    assert rows == [["m", '[{"role": "user"}]', "plain", 7, None, 0.5]]
    assert sandbox.hogql("select properties from events") == [
        ['{"$ai_model":"m","$ai_input_tokens":7,"$ai_latency":0.5}']
    ]
    assert sandbox.hogql(
        "select a.uuid = e.uuid from posthog.ai_events a join events e"
        " on a.distinct_id = e.distinct_id"
    ) == [[1]]


@pytest.mark.parametrize(("mode", "in_events"), [(0, 1), (1, 1), (2, 0)])
def test_where_flag_calls_go_depends_on_the_organisation(
    sandbox: Sandbox, mode: int, in_events: int
) -> None:
    """To events, to both, or to their own table; before that it is unknown."""
    sandbox.behave(flag_evaluations_mode=mode, frozen_at=NOW)
    own = {"$feature_flag": "f", "$feature_flag_response": True}
    capture(sandbox, {"event": "$feature_flag_called", "properties": own})
    asked = sandbox.post_query(
        "select flag_key, response, inserted_at from posthog.flag_evaluations"
    )

    assert sandbox.hogql("select count() from events") == [[in_events]]
    if mode:
        assert asked.json()["results"] == [["f", "true", NOW]]
    else:
        assert "Unknown table `posthog.flag_evaluations`." in asked.json()["detail"]


def test_cohort_members_are_those_of_the_current_version(sandbox: Sandbox) -> None:
    """An older calculation's members are not shown; static ones are elsewhere."""
    a, b = (f"00000000-0000-7000-8000-00000000000{n}" for n in (1, 2))
    sandbox.put("system.cohorts", [{"id": 1, "version": 1}, {"id": 2, "is_static": 1}])
    sandbox.put(
        "cohort_people",
        [
            {"cohort_id": 1, "person_id": a, "version": 1},
            {"cohort_id": 1, "person_id": b, "version": 2},
        ],
    )
    sandbox.put("static_cohort_people", [{"cohort_id": 2, "person_id": a}])
    sql = "select toString(person_id) from cohort_people where cohort_id = 1 limit 10"
    before = sandbox.hogql(sql)
    sandbox.put("system.cohorts", [{"id": 1, "version": 2}])

    assert (before, sandbox.hogql(sql)) == ([[a]], [[b]])
    assert sandbox.hogql("select cohort_id from static_cohort_people") == [[2]]


def test_a_settings_object_changes_and_goes(sandbox: Sandbox) -> None:
    """Softly, and then for good; booleans are numbers, JSON is text."""
    row = {"id": 1, "name": "n", "query": {"kind": "X"}, "updated_at": NOW}
    sql = "select id, name, deleted, query, updated_at from system.insights"
    sandbox.put("system.insights", [row])
    there = sandbox.hogql(sql)
    sandbox.put("system.insights", [row | {"deleted": True}])
    softly = sandbox.hogql(sql)
    sandbox.put("system.insights", [row | {"_gone": 1}])

    assert there == [[1, "n", 0, '{"kind": "X"}', NOW]]
    assert softly == [[1, "n", 1, '{"kind": "X"}', NOW]]
    assert sandbox.hogql(sql) == []


def test_columns_can_be_asked_for(sandbox: Sandbox) -> None:
    """As discovery does; what is switched off is not there."""
    sandbox.behave(missing_columns=["persons.last_seen_at"])
    rows = sandbox.hogql(
        "select column_name, data_type from system.information_schema.columns"
        " where table_name = 'persons'"
    )

    assert rows == [
        ["id", "UUID"],
        ["created_at", "DateTime"],
        ["properties", "JSON"],
        ["is_identified", "Integer"],
        ["team_id", "Integer"],
    ]


@pytest.mark.parametrize(
    ("switches", "sql", "detail"),
    [
        (
            {"missing_tables": ["sessions"]},
            "select session_id from sessions",
            "Unknown table `sessions`.",
        ),
        (
            {},
            "select id from person",
            "Unknown table `person`. Did you mean `persons`?",
        ),
        (
            {"denied_tables": ["system.insights"]},
            "select id from system.insights",
            "You don't have access to table `system.insights`.",
        ),
        (
            {"missing_columns": ["persons.last_seen_at"]},
            "select coalesce(last_seen_at, created_at) from persons",
            "Unable to resolve field: last_seen_at",
        ),
        ({}, "select version from persons", "Unable to resolve field: version"),
        ({}, "select _v from groups", "Unable to resolve field: _v"),
        ({}, "select id from persons final", "does not know"),
    ],
)
def test_what_is_not_there_is_refused(
    sandbox: Sandbox, switches: dict[str, Any], sql: str, detail: str
) -> None:
    """In PostHog's words, with its 400."""
    sandbox.behave(**switches)
    answer = sandbox.post_query(sql)

    assert answer.status_code == 400
    assert (
        answer.json()["detail"].startswith(detail) or detail in answer.json()["detail"]
    )


def test_access_control_leaves_rows_out_and_says_so(sandbox: Sandbox) -> None:
    """Neither a SELECT nor a count has them."""
    sandbox.put("system.insights", [{"id": 1}, {"id": 2}])
    sandbox.behave(restricted={"system.insights": "id = 2"})
    answer = sandbox.post_query("select id from system.insights limit 10").json()

    assert answer["results"] == [[1]]
    assert answer["warnings"] == [
        {
            "type": "access_control",
            "resources": ["insight"],
            "message": "Results may exclude insights you don't have access to",
        }
    ]
    assert sandbox.hogql("select count() from system.insights") == [[1]]


def test_hidden_rows_are_counted_and_not_shown(sandbox: Sandbox) -> None:
    """Nor where what is shown is an aggregate; that is not counting."""
    person = "00000000-0000-7000-8000-000000000001"
    rows = [{"distinct_id": it, "person_id": person} for it in ("a", "b")]
    sandbox.put("raw_person_distinct_ids", rows)
    sandbox.behave(hidden_rows={"raw_person_distinct_ids": "distinct_id = 'b'"})

    shown = sandbox.hogql(
        "select distinct_id, max(version) as v from raw_person_distinct_ids"
        " group by distinct_id order by distinct_id limit 10"
    )
    assert shown == [["a", 0]]
    counted = "select count(distinct distinct_id) from raw_person_distinct_ids"
    assert sandbox.hogql(counted) == [[2]]
    nested = "select count() from (select distinct_id from raw_person_distinct_ids)"
    assert sandbox.hogql(nested) == [[2]]


def test_a_query_of_ones_own_can_be_wrapped_and_joined(sandbox: Sandbox) -> None:
    """As a reader of custom streams does it: placeholders, tuples, several orders."""
    fill(sandbox, 5, event="concat('e', toString(number % 2))")
    sandbox.put("groups", [{"index": 0, "key": f"e{n}", "properties": {"n": n}}
                           for n in range(2)])  # fmt: skip
    own = (
        "with named as (select event, timestamp, uuid from events"
        " where timestamp >= {since})"
        " select n.event as name, n.timestamp as at, toString(n.uuid) as id,"
        " g.properties.n as n from named as n left join groups as g on g.key = n.event"
    )
    rows = sandbox.hogql(
        f"select * from ({own}) where at >= {{at}} and (at, id) > ({{at}}, {{id}})"  # noqa: S608 - a test's own
        " order by at, id limit 2",
        values={"since": "2026-01-01 00:00:01", "at": "2026-01-01 00:00:02", "id": ""},
        modifiers={"convertToProjectTimezone": False},
    )

    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("e0", "2026-01-01T00:00:02Z", "0"),
        ("e1", "2026-01-01T00:00:03Z", "1"),
    ]
