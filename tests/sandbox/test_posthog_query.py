"""The query endpoint answers as PostHog's, on the genuine parser and engine."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer phx_sandbox"}


def fill(sandbox: Sandbox, rows: int = 10, **columns: str) -> None:
    """Insert rows, one a second from 2026-01-01; columns are SQL over `number`."""
    exprs = {
        "uuid": "toUUID(concat('00000000-0000-7000-8000-', leftPad(toString(number),"
        " 12, '0')))",
        "event": "'e'",
        "distinct_id": "toString(number)",
        "timestamp": "toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + number",
        "created_at": "toDateTime64('2026-01-02 00:00:00', 6, 'UTC')",
    } | columns
    names, values = ", ".join(exprs), ", ".join(exprs.values())
    sandbox.sql(
        f"insert into events ({names}) select {values} from numbers({rows})"  # noqa: S608 - a test's own
    )


def test_a_query_is_answered_in_posthogs_envelope(sandbox: Sandbox) -> None:
    """Rows are arrays in the order of `columns`; `types` pairs names with types."""
    fill(sandbox, 1, properties="'{\"a\": 1.10}'")

    answer = sandbox.post_query(
        "select uuid, event as name, timestamp, properties, count() as n from events "
        "group by uuid, event, timestamp, properties limit 5"
    ).json()

    assert answer["columns"] == ["uuid", "name", "timestamp", "properties", "n"]
    assert answer["types"] == [
        ["uuid", "UUID"],
        ["name", "String"],
        ["timestamp", "DateTime64(6, 'UTC')"],
        ["properties", "String"],
        ["n", "UInt64"],
    ]
    uuid = "00000000-0000-7000-8000-000000000000"
    row = [uuid, "e", "2026-01-01T00:00:00Z", '{"a": 1.10}', 1]
    assert answer["results"] == [row]
    assert answer["is_cached"] is False


@pytest.mark.parametrize(
    ("micros", "zone", "shown"),
    [
        pytest.param(0, "UTC", "2026-07-01T00:00:00Z", id="whole-second"),
        pytest.param(120_000, "UTC", "2026-07-01T00:00:00.120000Z", id="fraction"),
        pytest.param(1, "UTC", "2026-07-01T00:00:00.000001Z", id="microsecond"),
        pytest.param(
            5, "Asia/Kolkata", "2026-07-01T05:30:00.000005+05:30", id="half-hour-zone"
        ),
        pytest.param(
            0, "America/New_York", "2026-06-30T20:00:00-04:00", id="west-in-summer"
        ),
        pytest.param(
            10_024_200_000_000,
            "Europe/Berlin",
            "2026-10-25T02:30:00+02:00",
            id="before-the-hour-comes-twice",
        ),
        pytest.param(
            10_027_800_000_000,
            "Europe/Berlin",
            "2026-10-25T02:30:00+01:00",
            id="when-the-hour-comes-again",
        ),
    ],
)
def test_instants_are_shown_in_the_projects_time_zone(
    sandbox: Sandbox, micros: int, zone: str, shown: str
) -> None:
    """RFC 3339, `Z` for UTC, and no fraction where it is zero."""
    at = f"fromUnixTimestamp64Micro(toInt64({1782864000_000000 + micros}), 'UTC')"
    fill(sandbox, 1, timestamp=at)
    sandbox.behave(project_timezone=zone)

    rows = sandbox.hogql(
        "select timestamp, (timestamp, 1), groupArray(timestamp) from events "
        "group by timestamp limit 1"
    )

    assert rows == [[shown, [shown, 1], [shown]]]


def test_the_time_zone_is_not_converted_when_asked_not_to(sandbox: Sandbox) -> None:
    """`convertToProjectTimezone: false` gives UTC, and reads literals as UTC."""
    fill(sandbox, 10)
    sandbox.behave(project_timezone="Europe/Berlin")
    query = "select count(), min(timestamp) from events where timestamp < '{}' limit 1"
    utc = {"modifiers": {"convertToProjectTimezone": False}}

    local = sandbox.hogql(query.format("2026-01-01 01:00:05"))
    plain = sandbox.hogql(query.format("2026-01-01 00:00:05"), **utc)

    assert local == [[5, "2026-01-01T01:00:00+01:00"]]
    assert plain == [[5, "2026-01-01T00:00:00Z"]]


def test_a_query_without_limit_gives_100_rows_and_says_whether_there_are_more(
    sandbox: Sandbox,
) -> None:
    """`hasMore`, `limit` and `offset` are there only where the SQL has no LIMIT."""
    fill(sandbox, 101)

    without = sandbox.post_query("select uuid from events").json()
    within = sandbox.post_query("select uuid from events").json()
    limited = sandbox.post_query("select uuid from events limit 7").json()

    assert len(without["results"]) == 100
    assert [without[key] for key in ("hasMore", "limit", "offset")] == [True, 100, 0]
    assert within["results"] == without["results"]
    assert len(limited["results"]) == 7
    assert [limited[key] for key in ("hasMore", "limit", "offset")] == [None] * 3


def test_a_larger_limit_is_clamped_without_a_word(sandbox: Sandbox) -> None:
    """A short page is no proof that there is nothing more."""
    fill(sandbox, 60)
    sandbox.behave(limit_max=50)

    answer = sandbox.post_query("select uuid from events limit 60")

    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 50


def test_the_same_sql_is_answered_from_the_cache_for_six_hours(
    sandbox: Sandbox,
) -> None:
    """Only `force_blocking`, other SQL or time brings new rows."""
    query = "select count() from events limit 1"
    sandbox.behave(frozen_at="2026-03-01T00:00:00Z")
    fill(sandbox, 3)
    first = sandbox.post_query(query, refresh=None).json()
    fill(sandbox, 4)

    second = sandbox.post_query(query, refresh="blocking").json()
    sandbox.behave(clock_offset_seconds=6 * 3600 + 1)
    later = sandbox.post_query(query, refresh=None).json()
    fill(sandbox, 1)
    forced = sandbox.post_query(query).json()

    assert (first["is_cached"], first["results"]) == (False, [[3]])
    assert (second["is_cached"], second["results"]) == (True, [[3]])
    assert (later["is_cached"], later["results"]) == (False, [[7]])
    assert (forced["is_cached"], forced["results"]) == (False, [[8]])


@pytest.mark.parametrize(
    ("hogql", "detail"),
    [
        pytest.param("select ]", "no viable alternative", id="syntax"),
        pytest.param("select a from events", "resolve field: a", id="field"),
        pytest.param(
            "select inserted_at from events", "field: inserted_at", id="inserted-at"
        ),
        pytest.param(
            "select _timestamp from events", "field: _timestamp", id="underscore"
        ),
        pytest.param(
            "select visible_at from events", "field: visible_at", id="visible-at"
        ),
        pytest.param(
            "select person_properties from events",
            "field: person_properties",
            id="person-properties",
        ),
        pytest.param("select 1 from nowhere", "Unknown table", id="table"),
        pytest.param("select now64()", "function call 'now64", id="now64"),
        pytest.param(
            "select toUnixTimestamp64Micro(timestamp) from events",
            "function call 'toUnixTimestamp64Micro",
            id="micro",
        ),
        pytest.param("select uuid from events limit 5 offset 5", "OFFSET", id="offset"),
        pytest.param(
            "select * from (select uuid from events limit 5 offset 5)",
            "OFFSET",
            id="offset-below",
        ),
        pytest.param(
            "select uuid from events limit 1 offset 1 by event", "OFFSET", id="by"
        ),
        pytest.param("select event + 1 from events", "Illegal types", id="types"),
        pytest.param(
            "select a.uuid from events a join events b on a.uuid = b.uuid",
            "does not know",
            id="join",
        ),
        pytest.param("select {x}", "Placeholder", id="placeholder"),
        pytest.param("select uuid from events final", "does not know", id="final"),
        pytest.param(
            "with 1 as a select a from events", "does not know", id="common-table"
        ),
    ],
)
def test_a_query_that_posthog_refuses_is_a_400(
    sandbox: Sandbox, hogql: str, detail: str
) -> None:
    """What is wrong stands in the detail of PostHog's envelope."""
    answer = sandbox.post_query(hogql)

    assert answer.status_code == 400
    body = answer.json()
    assert list(body) == ["type", "code", "detail", "attr"]
    assert body["type"] == "validation_error"
    assert detail in body["detail"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"query": {"kind": "HogQLQuery"}}, id="no-sql"),
        pytest.param({}, id="no-query"),
        pytest.param(
            {"query": {"kind": "HogQLQuery", "query": "select 1"}, "limit": 5}, id="top"
        ),
        pytest.param(
            {"query": {"kind": "HogQLQuery", "query": "select 1", "limit": 5}},
            id="inside",
        ),
    ],
)
def test_a_body_with_other_keys_is_a_400(
    sandbox: Sandbox, body: dict[str, Any]
) -> None:
    """PostHog's model forbids what it does not know."""
    url = f"{sandbox.url}/api/projects/1/query/"

    answer = requests.post(url, json=body, headers=HEADERS, timeout=60)

    assert answer.status_code == 400
    assert answer.json()["type"] == "validation_error"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("toDateTime('bad')", None, id="bad-instant"),
        pytest.param("toUUID('bad')", None, id="bad-uuid"),
        pytest.param(
            "toDateTime('2026-01-01T00:00:00.123456Z')",
            "2026-01-01T00:00:00.123456Z",
            id="best-effort",
        ),
        pytest.param("toInt('12') + toFloat('0.5')", 12.5, id="casts"),
        pytest.param("toUnixTimestamp64Milli(now())", 1772323200000, id="now"),
        pytest.param("today()", "2026-03-01", id="today"),
        pytest.param(
            "dateDiff('day', toDate('2026-01-01'), toDate('2026-01-31'))", 30, id="diff"
        ),
        pytest.param(
            "toStartOfHour(toDateTime('2026-01-01 05:06:07'))",
            "2026-01-01T05:00:00Z",
            id="hour",
        ),
        pytest.param("18446744073709551615", 2**64 - 1, id="uint64"),
        pytest.param("if(1 = 1 and not 2 in (3, 4), 'y', 'n')", "y", id="logic"),
        pytest.param("'it''s \\\\ \\' `x` {y}'", "it's \\ ' `x` {y}", id="quotes"),
        pytest.param("tuple(1, 'a')", [1, "a"], id="tuple"),
        pytest.param("(1, 'b') > (1, 'a')", 1, id="tuple-order"),
        pytest.param("5 between 1 and 5", 1, id="between"),
        pytest.param("null is null", 1, id="null"),
        pytest.param("1 / 0", None, id="infinity"),
    ],
)
def test_an_expression_means_what_it_means_in_hogql(
    sandbox: Sandbox, expression: str, value: object
) -> None:
    """What does not parse is NULL; the clock is the server's."""
    sandbox.behave(frozen_at="2026-03-01T00:00:00Z")

    rows = sandbox.hogql(f"select {expression} limit 1")

    assert rows == [[value]]


def test_a_bound_that_is_no_instant_gives_no_rows(sandbox: Sandbox) -> None:
    """A literal that does not parse looks like an empty project."""
    fill(sandbox, 3)

    rows = sandbox.hogql("select uuid from events where timestamp > toDateTime('soon')")

    assert rows == []


def test_select_star_gives_the_exposed_columns(sandbox: Sandbox) -> None:
    """The star leaves out what HogQL does not expose."""
    fill(sandbox, 1)

    columns = sandbox.post_query("select * from events").json()["columns"]

    assert "uuid" in columns
    assert not {"_timestamp", "visible_at", "team_id"} & set(columns)


def test_properties_are_text_as_stored(sandbox: Sandbox) -> None:
    """Digits, escapes and odd keys come through, whatever a parser makes of them."""
    stored = r'{"n": 1.10, "f": 1e400, "a.b": null, "": [1], "s": "\ud800", "x": NaN}'
    fill(sandbox, 1, properties="'" + stored.replace("\\", "\\\\") + "'")

    assert sandbox.hogql("select properties from events") == [[stored]]


def test_one_property_is_read_as_text(sandbox: Sandbox) -> None:
    """By a dotted name or by brackets; what is missing is null."""
    fill(sandbox, 1, properties="""'{"n": 1180591620717411303424, "a.b": "x"}'""")

    rows = sandbox.hogql(
        "select properties.n, properties['a.b'], properties.missing from events"
    )

    assert rows == [["1180591620717411303424", "x", None]]


def test_person_properties_are_reached_through_person_and_poe(sandbox: Sandbox) -> None:
    """As stored on the event; there is no column of that name in HogQL."""
    fill(sandbox, 1, person_properties="""'{"email": "a@b.c"}'""")

    rows = sandbox.hogql("select person.properties.email, poe.properties from events")

    assert rows == [["a@b.c", '{"email": "a@b.c"}']]


def test_the_keyset_of_timestamp_and_uuid_text_pages_through_ties(
    sandbox: Sandbox,
) -> None:
    """Text order is the one that a client shares; ClickHouse's own is another."""
    fill(
        sandbox,
        500,
        uuid="generateUUIDv4()",
        timestamp="toDateTime64('2026-01-01 00:00:00', 6, 'UTC')",
    )
    seen: list[str] = []
    after = ""
    while True:
        page = sandbox.hogql(
            "select toString(uuid) as u from events where (timestamp, toString(uuid)) >"
            " (toDateTime64('2026-01-01 00:00:00', 6, 'UTC'), {after})"
            " order by timestamp, u limit 99",
            values={"after": after},
        )
        if not page:
            break
        seen += [row[0] for row in page]
        after = seen[-1]

    assert len(seen) == 500
    assert seen == sorted(set(seen))


def test_sub_selects_aliases_and_having_work(sandbox: Sandbox) -> None:
    """What a plan of counts needs."""
    fill(sandbox, 10, event="if(number < 7, 'a', 'b')")

    rows = sandbox.hogql(
        "select t.name, t.n as total from (select event as name, count() as n "
        "from events group by name having n > 3) as t order by total desc limit 10"
    )

    assert rows == [["a", 7]]
    assert sandbox.hogql("select COUNT(*) from events e where e.event = 'b'") == [[3]]


def test_rows_are_seen_when_they_have_become_visible(sandbox: Sandbox) -> None:
    """A row's `created_at` says nothing of when it is there to be read."""
    fill(
        sandbox,
        4,
        visible_at="toDateTime64('2026-01-02 00:00:00', 6, 'UTC')"
        " + if(number = 0, 10800, 0)",
    )
    counts = []
    for at in ("2026-01-01T23:59:59Z", "2026-01-02T02:59:59Z", "2026-01-02T03:00:00Z"):
        sandbox.behave(frozen_at=at)
        counts += sandbox.hogql("select count() from events limit 1")

    assert counts == [[0], [3], [4]]


def test_other_teams_rows_are_not_seen(sandbox: Sandbox) -> None:
    """Each query is bound to its project."""
    fill(sandbox, 5, team_id="if(number < 2, 1, 2)")

    assert sandbox.hogql("select count() from events limit 1") == [[2]]


@pytest.mark.parametrize(
    ("hogql", "rows"),
    [
        pytest.param("select count() from events", 1, id="count"),
        pytest.param(
            "select event, count() from events group by event order by event",
            2,
            id="group",
        ),
        pytest.param(
            "select sum(n) from (select 1 as n from events)", 1, id="count-below"
        ),
    ],
)
def test_hidden_rows_are_counted_and_never_returned(
    sandbox: Sandbox, hogql: str, rows: int
) -> None:
    """So that a client can be made to meet a gap."""
    fill(sandbox, 10, event="if(number < 4, 'a', 'b')")
    before = sandbox.hogql(hogql)

    sandbox.behave(hidden="event = 'a'")

    assert sandbox.hogql(hogql) == before
    assert len(before) == rows
    assert len(sandbox.hogql("select uuid from events limit 100")) == 6


def test_copies_stay_until_the_table_is_merged(sandbox: Sandbox) -> None:
    """A ReplacingMergeTree's copies are there to be read, and then they are not."""
    for _ in range(2):
        fill(sandbox, 20)
    count = "select count(), count(distinct uuid) from events limit 1"

    before = sandbox.hogql(count)
    sandbox.sql("optimize table events final")

    assert before == [[40, 20]]
    assert sandbox.hogql(count) == [[20, 20]]


@pytest.mark.parametrize(
    ("project", "encoding"),
    [
        pytest.param("1", "gzip", id="number"),
        pytest.param("@current", None, id="current"),
    ],
)
def test_an_answer_is_compressed_for_a_numeric_project(
    sandbox: Sandbox, project: str, encoding: str | None
) -> None:
    """PostHog's list of paths to compress knows numbers only."""
    answer = sandbox.post_query("select 1", project=project)

    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.json()["results"] == [[1]]


def test_an_answer_is_plain_for_who_does_not_take_gzip(sandbox: Sandbox) -> None:
    """Compression is the client's choice, and what is read does not depend on it."""
    fill(sandbox, 50)
    body = {"query": {"kind": "HogQLQuery", "query": "select * from events limit 50"}}
    url = f"{sandbox.url}/api/projects/1/query/"
    answers = [
        requests.post(
            url,
            json=body,
            headers=HEADERS | {"Accept-Encoding": encoding},
            stream=True,
            timeout=60,
        )
        for encoding in ("identity", "gzip")
    ]

    plain, packed = (answer.raw.read(decode_content=False) for answer in answers)

    assert plain.startswith(b"{")
    assert (
        gzip.decompress(packed).partition(b'"results"')[2]
        == (plain.partition(b'"results"')[2])
    )


def test_placeholders_take_the_requests_values(sandbox: Sandbox) -> None:
    """Values are escaped by the server, so any name can be asked for."""
    name = "it's {a} \\ `name`"
    fill(sandbox, 3)
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    fill(sandbox, 2, event=f"'{escaped}'")

    rows = sandbox.hogql(
        "select count() from events where event in {names} limit 1",
        values={"names": [name, "nobody"]},
    )

    assert rows == [[2]]


def test_compression_can_be_switched_off(sandbox: Sandbox) -> None:
    """For benchmarks: on one machine it costs what they want to measure."""
    sandbox.behave(compress=False)

    assert "Content-Encoding" not in sandbox.post_query("select 1").headers


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2))
@settings(max_examples=60, deadline=None)
def test_no_text_escapes_from_its_quotes(
    shared_sandbox: Sandbox, texts: list[str]
) -> None:
    """Any text that goes in as a value comes out as it was."""
    rows = shared_sandbox.hogql("select {texts} limit 1", values={"texts": texts})

    assert rows == [[texts]]


def test_an_old_server_has_no_query_endpoint(sandbox: Sandbox) -> None:
    """A self-hosted server from before HogQL says 404."""
    sandbox.behave(query_endpoint=False)

    assert sandbox.post_query("select 1").status_code == 404
