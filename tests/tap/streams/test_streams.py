"""Every declared stream, read by the tap from a sandbox that has something in each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from tap_posthog.declarations import DECLARATIONS
from tap_posthog.errors import PostHogError
from tests.support.world import CANARY, ROWS, furnish, person
from tests.tap.running import config, run, run_here
from tests.tap.streams.catalogs import NAMES, by_stream, catalog, queries, read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox
    from tests.tap.running import Outcome

STATE_KEYS = {
    "replication_key",
    "replication_key_value",
    "scan",
    "scanned_at",
    "versions",
}


def test_every_stream_is_read_whole_and_as_its_schema_says(sandbox: Sandbox) -> None:
    """Counts, keys, types: nothing is missing, twice, or of another type."""
    furnish(sandbox)

    outcome = read(config(sandbox), *NAMES)

    records = by_stream(outcome)
    counts = {name: len(rows) for name, rows in records.items()}
    assert counts | ROWS == counts
    schemas = {
        each["stream"]: each["schema"]
        for each in outcome.messages
        if each["type"] == "SCHEMA"
    }
    for declaration in DECLARATIONS:
        name = declaration.name
        validator = Draft202012Validator(schemas[name])
        for record in records[name]:
            assert not [*validator.iter_errors(record)], (name, record)
            assert record["project_id"] == 1
        keys = {tuple(r[k] for k in declaration.primary_keys) for r in records[name]}
        assert len(keys) == len(records[name]), name
    state = outcome.states[-1]["bookmarks"]
    assert {name: {*state[name]} for name in NAMES} == dict.fromkeys(NAMES, STATE_KEYS)
    assert all(state[name]["scan"] is None for name in NAMES)


def test_values_look_the_same_whatever_they_came_as(sandbox: Sandbox) -> None:
    """Text that holds JSON is the object, 0 is false, an instant has six digits."""
    furnish(sandbox)

    records = by_stream(read(config(sandbox), *NAMES))

    (first, *_) = sorted(records["sessions"], key=lambda each: each["session_id"])
    assert first["end_timestamp"] == "2026-11-01T10:30:00.123456Z"
    assert first["start_timestamp"] == "2026-11-01T10:00:00.000000Z"
    assert (first["urls"], first["is_bounce"]) == (["https://a/", "https://b/"], False)
    assert records["persons"][0]["properties"]["deep"] == {"a": [1, None]}
    assert records["actions"][0]["steps"] == [{"event": "a"}]
    assert records["insights"][0]["deleted"] is False
    assert records["ai_events"][0]["input"] == "[not JSON"
    assert records["experiments"][0]["updated_at"] == "2026-11-02T00:00:00.000000Z"
    assert records["experiments"][0]["metrics"] == [{"kind": "mean"}]
    mapping = {each["distinct_id"]: each for each in records["person_distinct_ids"]}
    assert mapping["d2"]["version"] == 2
    kinds = {each["type"] for each in records["property_definitions"]}
    assert kinds == {"event", "person", "group", "session"} - {"event"}


def test_no_secret_of_posthogs_own_is_in_any_record(sandbox: Sandbox) -> None:
    """Tokens of a project go, and payloads that PostHog has decrypted for the key."""
    furnish(sandbox)

    outcome = read(config(sandbox), *NAMES)

    records = by_stream(outcome)
    assert CANARY not in outcome.out.decode()
    flags = {each["key"]: each for each in records["feature_flags"]}
    assert flags["remote"]["filters"]["payloads"] == {"true": "redacted"}
    assert flags["plain"]["filters"]["payloads"] == {"true": "shown"}
    assert flags["old"]["archived"] is True


def test_a_run_with_nothing_new_costs_a_query_or_two(sandbox: Sandbox) -> None:
    """A count says that there is nothing; what overlaps takes a page more."""
    furnish(sandbox)
    names = ("persons", "groups", "sessions", "session_recordings", "insights")
    first = read(config(sandbox), *names)
    queries(sandbox)

    for name in names:
        again = read(config(sandbox), name, state=first.states[-1])
        asked = queries(sandbox)
        assert len(asked) <= 2, (name, asked)
        assert again.states[-1]["bookmarks"][name]["scan"] is None


def test_many_persons_take_few_queries(sandbox: Sandbox) -> None:
    """120,000 in at most five beside the counts; so do 200,000 distinct ids."""
    uuid = "toUUID(concat(substring(h, 1, 8), '-0000-4000-8000-', substring(h, 9, 12)))"
    sandbox.sql(
        f"insert into person (id, created_at) select {uuid}, now64(3) "  # noqa: S608 - our own
        "from (select lower(hex(MD5(toString(number)))) as h from numbers(120000))"
    )
    sandbox.sql(
        "insert into person_distinct_id2 (distinct_id, person_id) "
        "select toString(number), generateUUIDv4(number) from numbers(200000)"
    )
    queries(sandbox)

    for name, many in (("persons", 120_000), ("person_distinct_ids", 200_000)):
        outcome = read(config(sandbox), name)
        pages = [each for each in queries(sandbox) if "#row#" in each]
        records = by_stream(outcome)[name]
        keys = {each.get("distinct_id") or each["id"] for each in records}
        assert (len(records), len(keys)) == (many, many)
        assert len(pages) <= 5, pages


def test_a_merge_can_be_followed(sandbox: Sandbox) -> None:
    """The losing person is gone, and its ids say where they went."""
    furnish(sandbox)
    first = read(config(sandbox), "persons", "person_distinct_ids")
    version = 2**62
    sandbox.put(
        "raw_person_distinct_ids",
        [{"distinct_id": "d1", "person_id": person(0), "version": 9}],
    )
    sandbox.put("persons", [{"id": person(1), "is_deleted": 1, "version": version}])

    again = read(
        config(sandbox, full_scan_days=1),
        *("persons", "person_distinct_ids"),
        state=first.states[-1],
        persons="FULL_TABLE",
    )

    records = by_stream(again)
    assert person(1) not in {each["id"] for each in records["persons"]}
    (moved,) = (e for e in records["person_distinct_ids"] if e["distinct_id"] == "d1")
    assert (moved["person_id"], moved["version"]) == (person(0), 9)


def test_members_are_read_when_a_cohort_moves(sandbox: Sandbox) -> None:
    """A dynamic cohort by its version, a static one in each run, a deleted one not."""
    furnish(sandbox)
    first = read(config(sandbox), "cohort_members")
    again = read(config(sandbox), "cohort_members", state=first.states[-1])
    sandbox.put("system.cohorts", [{"id": 1, "name": "dynamic", "version": 4}])
    sandbox.put(
        "cohort_people", [{"cohort_id": 1, "version": 4, "person_id": person(11)}]
    )
    moved = read(config(sandbox), "cohort_members", state=again.states[-1])

    def members(outcome: Outcome) -> list[tuple[int, int | None]]:
        rows = by_stream(outcome)["cohort_members"]
        return sorted((e["cohort_id"], e["cohort_version"] or 0) for e in rows)

    assert members(first) == [(1, 3)] * 7 + [(2, 0)] * 5
    assert members(again) == [(2, 0)] * 5
    assert members(moved) == [(1, 4)] + [(2, 0)] * 5
    state = moved.states[-1]["bookmarks"]["cohort_members"]
    assert state["versions"] == [[1, 4]]


@pytest.mark.parametrize("name", ["persons", "sessions", "cohorts"])
def test_rows_that_are_counted_and_not_given_are_a_gap(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    """Exit code 4, after the other streams; no state is behind the gap."""
    furnish(sandbox)
    hidden = {
        "persons": {"persons": f"id = toUUID('{person(5)}')"},
        "sessions": {"sessions": "session_id = 's7'"},
        "cohorts": {"system.cohorts": "id = 2"},
    }[name]
    sandbox.behave(hidden_rows=hidden)
    given = config(sandbox)
    chosen = catalog(given, name, "group_types")

    outcome = run(tmp_path, given, catalog=chosen)

    assert outcome.status == 4
    assert f"{name} could not be read: {name}: PostHog counts" in outcome.errors[-1]
    assert len(outcome.errors) == 1
    assert len(by_stream(outcome)["group_types"]) == 2
    bookmark = outcome.states[-1]["bookmarks"].get(name)
    assert bookmark is None or bookmark["scan"] is not None
    sandbox.behave(hidden_rows={})
    state = outcome.states[-1]
    rest = run(tmp_path, given, catalog=chosen, state=state)
    both = by_stream(outcome)[name] + by_stream(rest)[name]
    assert rest.status == 0
    assert len({json.dumps(each, sort_keys=True) for each in both}) >= ROWS[name]


def test_a_refused_stream_ends_after_the_others(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """One line names the scope; the others are read and have their state."""
    furnish(sandbox)
    sandbox.behave(keys={"phx_query": {"scopes": ["query:read"]}})
    given = config(sandbox, api_key="phx_query")
    chosen = catalog(given, "feature_flags", "persons", "surveys")

    outcome = run(tmp_path, given, catalog=chosen)

    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert "give it feature_flag:read" in outcome.errors[0]
    assert "give it survey:read" in outcome.errors[0]
    assert len(by_stream(outcome)["persons"]) == ROWS["persons"]
    assert "persons" in outcome.states[-1]["bookmarks"]


def test_discovery_leaves_out_what_the_key_may_not_read(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """It asks for the key, lists no project, and says what is left out."""
    sandbox.behave(keys={"phx_query": {"scopes": ["query:read", "survey:write"]}})
    outcome = run(tmp_path, config(sandbox, api_key="phx_query"), args=("--discover",))
    paths = {each["path"] for each in sandbox.requests()}

    names = {each["stream"] for each in json.loads(outcome.out)["streams"]}
    wanted = {e.name for e in DECLARATIONS if e.scope in {"query:read", "survey:read"}}
    assert names == {"events", *wanted}
    assert "feature_flags is left out: the API key lacks the scope" in outcome.err
    assert paths == {"/api/personal_api_keys/@current/"}


def test_an_older_server_is_read_as_far_as_it_goes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """No `@current`: all is declared. No table or list: skipped. No column: null."""
    furnish(sandbox)
    sandbox.behave(
        current_key_endpoint=False,
        missing_tables=["posthog.ai_events", "system.cohorts"],
        missing_columns=["persons.last_seen_at", "sessions.$channel_type"],
        flag_evaluations_mode=0,
    )
    given = config(sandbox)
    found = run(tmp_path, given, args=("--discover",))
    assert len(json.loads(found.out)["streams"]) == 1 + len(NAMES)
    names = ("persons", "sessions", "ai_events", "cohorts", "flag_evaluations")

    outcome = run(tmp_path, given, catalog=catalog(given, *names))

    records = by_stream(outcome)
    assert outcome.status == 0
    assert {name: len(rows) for name, rows in records.items()} == {
        "persons": 12,
        "sessions": 15,
        "ai_events": 4,
    }
    assert {each["last_seen_at"] for each in records["persons"]} == {None}
    assert {each["changed_at"] for each in records["persons"]} == {
        "2026-11-01T00:00:00.000000Z"
    }
    assert {each["channel_type"] for each in records["sessions"]} == {None}
    assert "persons is read whole" in outcome.err
    assert "cohorts is skipped" in outcome.err
    assert "flag_evaluations is skipped" in outcome.err


def test_rows_that_a_role_may_not_see_are_said(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """PostHog leaves them out silently but for a warning in its answer."""
    furnish(sandbox)
    sandbox.behave(restricted={"system.insights": "id = 1"})

    outcome = read(config(sandbox), "insights")

    assert len(by_stream(outcome)["insights"]) == 2
    assert "Results may exclude insights" in caplog.text


def test_a_table_that_a_role_may_not_see_is_a_refusal(sandbox: Sandbox) -> None:
    """It is there: to skip it in silence would empty a table that was full."""
    sandbox.behave(denied_tables=["system.insights"])

    with pytest.raises(PostHogError, match=r"access to table `system\.insights`"):
        read(config(sandbox), "insights")


def test_columns_that_are_not_selected_are_not_asked_for(sandbox: Sandbox) -> None:
    """A narrow table costs PostHog less."""
    furnish(sandbox)
    given = config(sandbox)
    chosen = catalog(given, "persons")
    (entry,) = (e for e in chosen["streams"] if e["stream"] == "persons")
    for each in entry["metadata"]:
        if each["breadcrumb"] == ["properties", "properties"]:
            each["metadata"]["selected"] = False

    outcome = run_here(given, catalog=chosen)

    assert not [each for each in queries(sandbox) if "properties" in each]
    assert "properties" not in by_stream(outcome)["persons"][0]


def test_huge_lists_and_slow_definitions(sandbox: Sandbox) -> None:
    """`next` is followed; a count that has no time ends one stream, and says so."""
    sandbox.put_list(
        "surveys", [{"id": f"s{n:03}", "name": str(n)} for n in range(250)]
    )

    assert len(by_stream(read(config(sandbox), "surveys"))["surveys"]) == 250
    sandbox.behave(definitions_time_out=True)
    with pytest.raises(PostHogError, match="no time to list event_definitions"):
        read(config(sandbox), "event_definitions")
