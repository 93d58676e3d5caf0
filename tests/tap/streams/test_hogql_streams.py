"""The user's own queries as streams: how they are declared, and how they are read."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_posthog.errors import ConfigError
from tap_posthog.tap import TapPostHog
from tests.tap.running import config, run
from tests.tap.streams.catalogs import by_stream, catalog, queries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sandbox import Sandbox
    from tests.tap.running import Outcome

DAILY = {
    "name": "daily",
    "query": "select toDate(timestamp) as day, event, count() as n, "
    "max(created_at) as latest from events group by day, event",
    "primary_key": ["day", "event"],
    "description": "Events by day.",
}
BY_TIME = {
    "name": "signups",
    "query": "select uuid, timestamp as at, distinct_id from events "
    "where event = 'signup' and timestamp >= {since} and timestamp < {until}",
    "primary_key": ["uuid"],
    "replication_key": "at",
}
BY_NUMBER = {
    "name": "numbered",
    "query": "select toInt(distinct_id) as id, event from events",
    "primary_key": ["id"],
    "replication_key": "id",
}


def put(sandbox: Sandbox, rows: int, event: str = "signup", first: int = 0) -> None:
    """Put events in, one an hour of the first days of November."""
    sandbox.sql(
        "insert into events (uuid, event, distinct_id, timestamp, created_at) "  # noqa: S608 - our own
        f"select generateUUIDv4(), '{event}', toString(number + {first}), "
        "toDateTime64('2026-11-01 00:00:00', 6, 'UTC') "
        f"+ toIntervalHour(number + {first}), "
        f"now64(6) from numbers({rows})"
    )


def read(
    folder: Path,
    sandbox: Sandbox,
    *streams: dict[str, Any],
    state: dict[str, Any] | None = None,
    status: int = 0,
    **more: object,
) -> Outcome:
    """Run the tap over these streams and no other."""
    given = config(sandbox, hogql_streams=list(streams), **more)
    chosen = catalog(given, *(each["name"] for each in streams))
    outcome = run(folder, given, catalog=chosen, state=state)
    assert outcome.status == status, outcome.err
    return outcome


def test_columns_are_as_the_server_says(sandbox: Sandbox, tmp_path: Path) -> None:
    """Types, keys and the description come out of the query; nulls are allowed."""
    query = (
        "select 1 as id, 'a' as word, toFloat(1.5) as share, true as yes, "
        "toDateTime('2026-11-01 10:00:00') as at, toDate('2026-11-01') as day, "
        "toUUID('0192aaaa-0000-4000-8000-000000000001') as u, "
        "['x', 'y'] as words, [1, 2] as numbers, "
        "nullIf(1, 1) as nothing"
    )
    stream = {"name": "kinds", "query": query, "primary_key": "id"}

    outcome = read(tmp_path, sandbox, stream)

    schema = next(m for m in outcome.messages if m["type"] == "SCHEMA")
    types = {
        name: (entry["type"][0], entry.get("format"))
        for name, entry in schema["schema"]["properties"].items()
    }
    assert types == {
        "project_id": ("integer", None),
        "id": ("integer", None),
        "word": ("string", None),
        "share": ("number", None),
        "yes": ("boolean", None),
        "at": ("string", "date-time"),
        "day": ("string", "date-time"),
        "u": ("string", None),
        "words": ("array", None),
        "numbers": ("array", None),
        "nothing": ("integer", None),
    }
    assert schema["key_properties"] == ["project_id", "id"]
    (record,) = outcome.records
    assert len(record.pop("u")) == 36
    assert record == {
        "project_id": 1,
        "id": 1,
        "word": "a",
        "share": 1.5,
        "yes": True,
        "at": "2026-11-01T10:00:00.000000Z",
        "day": "2026-11-01T00:00:00.000000Z",
        "words": ["x", "y"],
        "numbers": [1, 2],
        "nothing": None,
    }


def test_a_query_with_a_key_is_read_whole_in_pages(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Two columns are the key; each row comes once."""
    put(sandbox, 300)
    put(sandbox, 300, event="paid")
    queries(sandbox)

    outcome = read(tmp_path, sandbox, DAILY, page_size=5)

    days = -(-300 // 24)
    keys = [(each["day"], each["event"]) for each in outcome.records]
    assert len(keys) == len(set(keys)) == 2 * days
    assert sum(each["n"] for each in outcome.records) == 600
    assert len([each for each in queries(sandbox) if "limit" in each.lower()]) > 3


def test_since_and_until_are_filled_in(sandbox: Sandbox, tmp_path: Path) -> None:
    """The second run reads from the bookmark on; a row that came late within it not.

    That is the query's own condition, and its user's choice.
    """
    put(sandbox, 48)
    first = read(tmp_path, sandbox, BY_TIME)
    bookmark = first.states[-1]["bookmarks"]["signups"]
    put(sandbox, 24, first=48)
    queries(sandbox)

    second = read(tmp_path, sandbox, BY_TIME, state=first.states[-1])

    asked = [each for each in queries(sandbox) if "signup" in each]
    assert len(first.records) == 48
    assert bookmark["replication_key_value"] == "2026-11-02T23:00:00.000000Z"
    assert {each["at"][:10] for each in second.records} == {"2026-11-02", "2026-11-03"}
    assert len(second.records) == 24 + 1  # the row at the bookmark once more
    assert all("2026-11-02" in each for each in asked if "limit 0" not in each)
    assert not any("{" in each for each in asked)


def test_a_number_is_a_replication_key_too(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its largest value is the bookmark; the tap puts the condition on it."""
    put(sandbox, 30)
    first = read(tmp_path, sandbox, BY_NUMBER)
    put(sandbox, 5, first=30)

    second = read(tmp_path, sandbox, BY_NUMBER, state=first.states[-1])

    assert len(first.records) == 30
    assert first.states[-1]["bookmarks"]["numbered"]["replication_key_value"] == 29
    assert {each["id"] for each in second.records} == {29, 30, 31, 32, 33, 34}
    assert second.states[-1]["bookmarks"]["numbered"]["replication_key_value"] == 34


def test_an_empty_query_has_no_bookmark_of_its_own_making(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """What comes in later, at whatever time, is read then."""
    first = read(tmp_path, sandbox, BY_NUMBER)
    state = first.states[-1] if first.states else None
    put(sandbox, 3)

    second = read(tmp_path, sandbox, BY_NUMBER, state=state)

    assert not first.records
    assert {each["id"] for each in second.records} == {0, 1, 2}


def test_without_a_key_the_ceiling_is_an_error(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """PostHog gives 50,000 rows at most, and cuts without a word: exit code 4."""
    put(sandbox, 60_000)
    query = "select toInt(distinct_id) as n from events"
    several = {"name": "several", "query": f"{query} where toInt(distinct_id) < 49999"}
    many = {"name": "many", "query": query}

    fits = read(tmp_path, sandbox, several)
    cut = read(tmp_path, sandbox, many, status=4)

    assert len(fits.records) == 49_999
    assert "many: its query has 60,000 rows, and PostHog gave 50,000" in cut.errors[-1]
    assert "give it a primary_key, by which it is read in pages" in cut.errors[-1]
    assert len(cut.errors) == 1


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        ({"query": "select 1 as a"}, "number 1: name: got null, takes text"),
        ({"name": "a"}, "a: query: got null, takes text"),
        ({"name": "2a", "query": "select 1"}, "2a: its name takes letters, digits"),
        ({"name": "events", "query": "select 1"}, "events: its name is another stream"),
        ({"name": "persons", "query": "select 1"}, "persons: its name is another"),
        (
            {"name": "a", "query": "select 1 as x limit 5"},
            "a: its query has LIMIT, which the tap needs for its pages",
        ),
        ({"name": "a", "query": "select 1; select 2"}, "a: its query is more than one"),
        ({"name": "a", "query": "select 1 as x", "key": "x"}, "a: it has 'key', but"),
        (
            {"name": "a", "query": "select 1 as x", "replication_key": "x"},
            "a: replication_key needs a primary_key",
        ),
        (
            {"name": "a", "query": "select 1 as x", "primary_key": [1]},
            'a: primary_key takes columns, such as ["day", "country"]',
        ),
        (
            {"name": "a", "query": "select 1 as x", "primary_key": "y"},
            "a: its query has no column y; it has x",
        ),
        (
            {"name": "a", "query": "select count() from events"},
            "a: its column count() takes a name of its own",
        ),
        (
            {"name": "a", "query": "select x from nowhere"},
            "a: PostHog refuses its query: Unknown table `nowhere`",
        ),
        ({"name": "a", "query": "selct 1"}, "a: PostHog refuses its query: "),
    ],
)
def test_what_cannot_be_a_stream_is_refused(
    sandbox: Sandbox, stream: dict[str, Any], says: str
) -> None:
    """The line names the stream, what is wrong with it and what it takes."""
    with pytest.raises(ConfigError) as raised:
        TapPostHog(config=config(sandbox, hogql_streams=[stream]))

    assert str(raised.value).startswith(f"hogql_streams: {says}")


@pytest.mark.parametrize("text", ['[{"name": "a"', '"select 1"', "select 1", "{}"])
def test_what_is_no_array_of_objects_is_refused(sandbox: Sandbox, text: str) -> None:
    """As JSON text, too."""
    with pytest.raises(ConfigError, match="takes an array of objects, as JSON"):
        TapPostHog(config=config(sandbox, hogql_streams=text))


def test_a_refusal_is_the_one_line_of_a_run(sandbox: Sandbox, tmp_path: Path) -> None:
    """At ERROR, and with exit code 1; nothing was read."""
    stream = {"name": "a", "query": "select x from nowhere"}

    outcome = run(tmp_path, config(sandbox, hogql_streams=[stream]))

    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert "Unknown table `nowhere`" in outcome.errors[0]
    assert not outcome.out


def test_a_query_that_is_not_selected_is_not_asked_about(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """So one that is broken stops only who wants it."""
    broken = {"name": "broken", "query": "select x from nowhere"}
    given = config(sandbox, hogql_streams=[BY_NUMBER])
    chosen = catalog(given, "numbered")
    chosen["streams"].append(
        {
            "tap_stream_id": "broken",
            "stream": "broken",
            "schema": {"properties": {}},
            "metadata": [{"breadcrumb": [], "metadata": {"selected": False}}],
        }
    )
    put(sandbox, 3)

    outcome = run(
        tmp_path, given | {"hogql_streams": [BY_NUMBER, broken]}, catalog=chosen
    )

    assert outcome.status == 0, outcome.err
    assert len(by_stream(outcome)["numbered"]) == 3


def test_the_test_option_asks_about_queries(sandbox: Sandbox, tmp_path: Path) -> None:
    """One that cannot be a stream is told before a run needs it."""
    good = config(sandbox, hogql_streams=[DAILY])
    bad = config(sandbox, hogql_streams=[DAILY | {"primary_key": ["hour"]}])

    assert run(tmp_path, good, args=("--test",)).status == 0
    told = run(tmp_path, bad, args=("--test",))

    assert told.status == 1
    assert "its query has no column hour" in told.errors[-1]


@pytest.mark.prove
def test_the_test_option_keeps_its_minute(sandbox: Sandbox, tmp_path: Path) -> None:
    """Where the server is down, though a run would wait an hour for it."""
    given = config(sandbox, hogql_streams=[DAILY], base_url="http://127.0.0.1:9")
    began = time.monotonic()

    silent = run(tmp_path, given, args=("--test",))

    assert time.monotonic() - began < 60
    assert silent.status == 1
    assert "127.0.0.1:9" in silent.errors[-1]


def test_discovery_declares_them(sandbox: Sandbox, tmp_path: Path) -> None:
    """With their columns, and not selected."""
    given = config(sandbox, hogql_streams=json.dumps([DAILY]))

    outcome = run(tmp_path, given, args=("--discover",))

    found = {each["stream"]: each for each in json.loads(outcome.out)["streams"]}
    entry = found["daily"]
    assert {*entry["schema"]["properties"]} == {
        "project_id",
        "day",
        "event",
        "n",
        "latest",
    }
    root = next(m["metadata"] for m in entry["metadata"] if not m["breadcrumb"])
    assert root["selected-by-default"] is False
    assert root["table-key-properties"] == ["project_id", "day", "event"]
