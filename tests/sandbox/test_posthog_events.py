"""The events list and its documented defects: what a client must not trust."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support import rows as rows_support

if TYPE_CHECKING:
    from tests.support.sandbox import Sandbox

HEADERS = {"Authorization": "Bearer phx_sandbox"}
NOW = "2026-01-01T12:00:00Z"
ASC = '["timestamp"]'


def fill(sandbox: Sandbox, rows: int, timestamp: str, **columns: str) -> None:
    """Insert rows at instants that are SQL over `number`, and stop the clock."""
    created = "toDateTime64('2025-01-01 00:00:00', 6, 'UTC')"
    columns = {"distinct_id": "'d'", "created_at": created} | columns
    rows_support.fill(sandbox, rows, timestamp=timestamp, **columns)
    sandbox.behave(frozen_at=NOW)


def seconds_before(text: str) -> str:
    """Say in SQL how long before 12:00 a row is."""
    return f"toDateTime64('2026-01-01 12:00:00', 6, 'UTC') - ({text})"


def get(sandbox: Sandbox, **params: object) -> dict[str, Any]:
    """Ask for a page."""
    return open_page(f"{sandbox.url}/api/projects/1/events/", params)


def open_page(url: str, params: dict[str, object] | None = None) -> dict[str, Any]:
    """Ask for what a URL says."""
    shown = {key: str(value) for key, value in (params or {}).items()}
    answer = requests.get(url, params=shown, headers=HEADERS, timeout=60)
    assert answer.ok, answer.text
    page: dict[str, Any] = answer.json()
    return page


def follow(sandbox: Sandbox, **params: object) -> list[str]:
    """Follow `next` to its end, as most clients do; the ids that came."""
    page = get(sandbox, **params)
    ids = [row["id"] for row in page["results"]]
    while page["next"]:
        page = open_page(page["next"])
        ids += [row["id"] for row in page["results"]]
    return ids


def test_an_event_has_the_lists_shape(sandbox: Sandbox) -> None:
    """Properties are an object, the time has an offset, no person unless asked for."""
    fill(
        sandbox,
        1,
        "toDateTime64('2026-01-01 11:00:00.5', 6, 'UTC')",
        properties=r"""'{"n": 1, "x": NaN, "q": "\\"quoted\\"", """
        r""""o": {"q": "\\"in\\""}}'""",
    )

    page = get(sandbox)

    assert page["next"] is None
    assert page["results"] == [
        {
            "id": "00000000-0000-7000-8000-000000000000",
            "distinct_id": "d",
            # quotes around a text value are lost at the top, kept below
            "properties": {"n": 1, "x": None, "q": "quoted", "o": {"q": '"in"'}},
            "event": "e",
            "timestamp": "2026-01-01T11:00:00.500000+00:00",
            "person": None,
            "elements": [],
            "elements_chain": "",
        }
    ]


def test_a_person_has_three_properties_at_most(sandbox: Sandbox) -> None:
    """Only with `include_person`; everything else of a person is left out."""
    fill(
        sandbox,
        1,
        seconds_before("60"),
        person_properties="""'{"email": "a@b.c", "plan": "free"}'""",
    )

    person = get(sandbox, include_person="true")["results"][0]["person"]

    assert person == {
        "is_identified": True,
        "distinct_ids": ["d"],
        "properties": {"email": "a@b.c"},
    }


@pytest.mark.parametrize(
    ("limit", "rows"),
    [
        pytest.param(None, 100, id="default"),
        pytest.param(250, 250, id="asked"),
        pytest.param(10000, 1000, id="clamped"),
    ],
)
def test_the_limit_is_clamped_without_a_word(
    sandbox: Sandbox, limit: int | None, rows: int
) -> None:
    """Who stops at a short page loses the rest."""
    fill(sandbox, 1500, seconds_before("number / 100"))

    page = get(sandbox, **({"limit": limit} if limit else {}))

    assert len(page["results"]) == rows


def test_newest_first_ends_early_with_next_null(sandbox: Sandbox) -> None:
    """A window that holds at least half a page, not more, hides all that is older."""
    fill(sandbox, 1000, seconds_before("if(number < 60, number + 1, number * 60)"))

    page = get(sandbox, limit=100, after="2025-12-01T00:00:00Z")

    assert 50 <= len(page["results"]) < 100
    assert page["next"] is None


def test_oldest_first_comes_to_the_end(sandbox: Sandbox) -> None:
    """That defect is one of the other order only."""
    fill(sandbox, 1000, seconds_before("if(number < 60, number + 1, number * 60)"))

    ids = follow(sandbox, limit=100, orderBy=ASC, after="2025-12-01T00:00:00Z")

    assert len(ids) == len(set(ids)) == 1000
    entries = sandbox.requests()
    assert [entry["rows"] for entry in entries] == [100] * 10
    assert all(entry["bytes_read"] > 0 for entry in entries)


@pytest.mark.parametrize("order", [ASC, '["-timestamp"]'])
def test_rows_that_share_a_pages_last_timestamp_are_lost(
    sandbox: Sandbox, order: str
) -> None:
    """`next` is a strict bound on the time alone."""
    fill(sandbox, 30, seconds_before("intDiv(number, 3) + 1"))

    ids = follow(sandbox, limit=10, orderBy=order)

    assert len(ids) < 30


def test_both_bounds_are_strict(sandbox: Sandbox) -> None:
    """At microseconds, with the offset that is given."""
    fill(sandbox, 3, "toDateTime64('2026-01-01 10:00:00', 6, 'UTC') + number")

    page = get(
        sandbox, after="2026-01-01T11:00:00+01:00", before="2026-01-01T10:00:02.000000Z"
    )

    assert [row["timestamp"][11:19] for row in page["results"]] == ["10:00:01"]


def test_a_naive_bound_is_in_the_projects_time_zone(sandbox: Sandbox) -> None:
    """The same text means another instant in another project."""
    fill(sandbox, 3, "toDateTime64('2026-01-01 09:00:00', 6, 'UTC') + number * 3600")
    utc = get(sandbox, after="2026-01-01T10:30:00")
    sandbox.behave(project_timezone="Europe/Berlin")

    berlin = get(sandbox, after="2026-01-01T10:30:00")

    assert (len(utc["results"]), len(berlin["results"])) == (1, 2)


def test_what_lies_ahead_is_seen_only_with_a_bound(sandbox: Sandbox) -> None:
    """The default upper bound is five seconds from now."""
    fill(sandbox, 3, seconds_before("-number * 4"))

    default = get(sandbox)["results"]
    bounded = get(sandbox, before="2026-01-02T00:00:00Z")["results"]

    assert (len(default), len(bounded)) == (2, 3)


def test_a_distance_is_a_bound(sandbox: Sandbox) -> None:
    """`-2h` is two hours before the server's now."""
    fill(sandbox, 5, seconds_before("number * 3600 + 60"))

    assert len(get(sandbox, after="-2h")["results"]) == 2


@pytest.mark.parametrize(
    ("params", "rows"),
    [
        pytest.param({"event": "b"}, 4, id="event"),
        pytest.param({"distinct_id": "1"}, 5, id="distinct-id"),
        pytest.param({"event": "b", "distinct_id": "1"}, 2, id="both"),
        pytest.param({"event": "it's"}, 0, id="quote"),
    ],
)
def test_names_and_ids_are_filters(
    sandbox: Sandbox, params: dict[str, object], rows: int
) -> None:
    """Exact ones."""
    fill(
        sandbox,
        10,
        seconds_before("number + 1"),
        event="if(number < 6, 'a', 'b')",
        distinct_id="toString(number % 2)",
    )

    assert len(get(sandbox, **params)["results"]) == rows


def test_an_offset_is_slow_and_has_an_end(sandbox: Sandbox) -> None:
    """It costs a second, and above 50,000 it is refused."""
    fill(sandbox, 10, seconds_before("number + 1"))
    started = time.monotonic()

    page = get(sandbox, offset=7)
    took = time.monotonic() - started
    refused = requests.get(
        f"{sandbox.url}/api/projects/1/events/?offset=50001",
        headers=HEADERS,
        timeout=60,
    )

    assert len(page["results"]) == 3
    assert took >= 1
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("Offset is deprecated")


@pytest.mark.parametrize(
    ("params", "status"),
    [
        pytest.param("after=soon", 400, id="no-date"),
        pytest.param("properties=[]", 400, id="filter-not-here"),
        pytest.param("orderBy=timestamp", 500, id="order-that-is-no-json"),
    ],
)
def test_what_it_cannot_do_is_refused(
    sandbox: Sandbox, params: str, status: int
) -> None:
    """A filter is never ignored in silence."""
    url = f"{sandbox.url}/api/projects/1/events/?{params}"

    assert requests.get(url, headers=HEADERS, timeout=60).status_code == status


@pytest.mark.parametrize(
    ("uuid", "status"),
    [
        pytest.param("00000000-0000-7000-8000-000000000001", 200, id="there"),
        pytest.param("00000000-0000-7000-8000-000000000009", 404, id="absent"),
        pytest.param("nonsense", 400, id="no-uuid"),
    ],
)
def test_one_event_is_found_by_its_uuid(
    sandbox: Sandbox, uuid: str, status: int
) -> None:
    """Under the same path."""
    fill(sandbox, 3, seconds_before("number + 1"))
    url = f"{sandbox.url}/api/projects/1/events/{uuid}/"

    assert requests.get(url, headers=HEADERS, timeout=60).status_code == status


def test_the_projects_of_a_key_are_listed(sandbox: Sandbox) -> None:
    """Other connectors ask for them first."""
    page = open_page(f"{sandbox.url}/api/projects")

    assert [project["id"] for project in page["results"]] == [1]
