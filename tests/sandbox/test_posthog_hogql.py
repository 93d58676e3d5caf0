"""A query means in the sandbox what it means in HogQL, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rows import fill

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox


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
            "select uuid from events a join events b on a.uuid = b.uuid",
            "Ambiguous query",
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


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2))
@settings(max_examples=60, deadline=None)
def test_no_text_escapes_from_its_quotes(
    shared_sandbox: Sandbox, texts: list[str]
) -> None:
    """Any text that goes in as a value comes out as it was."""
    rows = shared_sandbox.hogql("select {texts} limit 1", values={"texts": texts})

    assert rows == [[texts]]
