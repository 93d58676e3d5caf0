"""The query endpoint answers as PostHog's: envelope, values, limits, cache."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support.rows import fill

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer phx_sandbox"}


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


def test_compression_can_be_switched_off(sandbox: Sandbox) -> None:
    """For benchmarks: on one machine it costs what they want to measure."""
    sandbox.behave(compress=False)

    assert "Content-Encoding" not in sandbox.post_query("select 1").headers


def test_an_old_server_has_no_query_endpoint(sandbox: Sandbox) -> None:
    """A self-hosted server from before HogQL says 404."""
    sandbox.behave(query_endpoint=False)

    assert sandbox.post_query("select 1").status_code == 404
