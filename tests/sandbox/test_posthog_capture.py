"""Capture takes what PostHog's own client sends, and stores it by PostHog's rules."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import requests
from posthog import Posthog

from tests.support.sandbox import PROJECT_TOKEN, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = "2026-05-01T12:00:00+00:00"


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Posthog]:
    """Start PostHog's own client; it sends on its own threads until it is shut."""
    client = Posthog(PROJECT_TOKEN, host=sandbox.url, gzip=True)
    yield client
    client.shutdown()


def send(sandbox: Sandbox, path: str = "/i/v0/e/", **event: Any) -> requests.Response:  # noqa: ANN401 - JSON
    """Send one event as the raw API takes it."""
    body = {"api_key": PROJECT_TOKEN, "event": "e", "distinct_id": "d"} | event
    return requests.post(sandbox.url + path, json=body, timeout=60)


def stored(sandbox: Sandbox, column: str) -> list[Any]:
    """Say what is in a column, oldest first."""
    rows = sandbox.sql(f"select {column} from events order by timestamp, uuid")  # noqa: S608 - a test's own
    return [row[0] for row in rows]


def test_posthogs_client_sends_history_in(sandbox: Sandbox, client: Posthog) -> None:
    """Thousands of events in batches, each at its own time, in milliseconds."""
    start = datetime(2020, 2, 29, tzinfo=UTC)
    for number in range(1200):
        client.capture(
            "visited",
            distinct_id=f"d{number % 7}",
            timestamp=start + timedelta(minutes=number),
            properties={"number": number, "$ignore_sent_at": True},
        )
    client.shutdown()

    rows = sandbox.hogql(
        "select count(), count(distinct uuid), count(distinct person_id), "
        "min(timestamp), max(timestamp) from events limit 1"
    )

    last = "2020-02-29T19:59:00Z"
    assert rows == [[1200, 1200, 7, "2020-02-29T00:00:00Z", last]]
    assert min(stored(sandbox, "created_at")) > "2026"


def test_the_same_event_sent_twice_is_two_rows(
    sandbox: Sandbox, client: Posthog
) -> None:
    """PostHog merges copies some time later, or never."""
    for _ in range(2):
        client.capture(
            "paid",
            distinct_id="d",
            uuid="0192d3e4-0000-7000-8000-000000000001",
            timestamp=datetime(2024, 1, 1, tzinfo=UTC),
            properties={"$ignore_sent_at": True},
        )
    client.shutdown()

    count = "select count(), count(distinct uuid, timestamp) from events limit 1"
    assert sandbox.hogql(count) == [[2, 1]]


def test_properties_are_stored_as_they_came(sandbox: Sandbox) -> None:
    """No number is rounded, no key moved, no escape changed."""
    properties = r'{"b": 1.10, "a": 1180591620717411303424, "u": "\u00e9", "": null}'
    body = (
        f'{{"api_key": "{PROJECT_TOKEN}", "batch": [{{"event": "e", '
        f'"distinct_id": "d", "properties": {properties}}}]}}'
    )

    answer = requests.post(
        f"{sandbox.url}/batch/",
        data=gzip.compress(body.encode()),
        headers={"Content-Encoding": "gzip"},
        timeout=60,
    )

    assert answer.json() == {"status": "Ok"}
    assert stored(sandbox, "properties") == [properties]


@pytest.mark.parametrize("path", ["/i/v0/e/", "/e", "/capture/"])
def test_one_event_is_taken_at_each_path(sandbox: Sandbox, path: str) -> None:
    """What stands beside the properties of a single event is kept in them."""
    answer = send(sandbox, path, properties={"a": 1}, **{"$set": {"plan": "free"}})

    assert answer.status_code == 200
    properties = json.loads(stored(sandbox, "properties")[0])
    assert properties == {"a": 1, "$set": {"plan": "free"}}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(
            {"timestamp": "2026-04-30T10:00:00Z"}, "2026-04-30 10:00:00.000", id="plain"
        ),
        pytest.param(
            {"timestamp": "2026-04-30T10:00:00.123456Z"},
            "2026-04-30 10:00:00.123",
            id="milliseconds",
        ),
        pytest.param(
            {"timestamp": "2026-04-30T10:00:00+02:00"},
            "2026-04-30 08:00:00.000",
            id="offset",
        ),
        pytest.param(
            {"timestamp": "2026-05-01T13:30:00Z", "sent_at": "2026-05-01T14:00:00Z"},
            "2026-05-01 11:30:00.000",
            id="clock-two-hours-fast",
        ),
        pytest.param(
            {
                "timestamp": "2026-05-01T13:30:00Z",
                "sent_at": "2026-05-01T14:00:00Z",
                "properties": {"$ignore_sent_at": True},
            },
            "2026-05-01 13:30:00.000",
            id="clock-not-corrected",
        ),
        pytest.param({"offset": 90_000}, "2026-05-01 11:58:30.000", id="relative"),
        pytest.param({}, "2026-05-01 12:00:00.000", id="none"),
        pytest.param({"timestamp": "soon"}, "2026-05-01 12:00:00.000", id="nonsense"),
        pytest.param(
            {"timestamp": "2026-05-02T10:59:00Z"},
            "2026-05-02 10:59:00.000",
            id="within-23-hours-ahead",
        ),
        pytest.param(
            {"timestamp": "2026-05-02T11:01:00Z"},
            "2026-05-01 12:00:00.000",
            id="further-ahead",
        ),
        pytest.param(
            {"timestamp": "+12026-05-01T12:00:00Z"},
            "1970-01-01 00:00:00.000",
            id="year-12026",
        ),
    ],
)
def test_the_timestamp_follows_posthogs_rule(
    sandbox: Sandbox, sent: dict[str, Any], kept: str
) -> None:
    """The client's clock is corrected; what cannot be is now, or 1970."""
    sandbox.behave(frozen_at=NOW)

    send(sandbox, **sent)

    assert stored(sandbox, "timestamp") == [f"{kept}000"]
    assert stored(sandbox, "created_at") == ["2026-05-01 12:00:00.000000"]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"event": ""}, id="no-name"),
        pytest.param({"distinct_id": ""}, id="no-distinct-id"),
        pytest.param({"uuid": "nonsense"}, id="no-uuid"),
        pytest.param({"properties": {"a": "x" * 1_100_000}}, id="too-large"),
    ],
)
def test_what_posthog_drops_is_dropped_without_a_word(
    sandbox: Sandbox, event: dict[str, Any]
) -> None:
    """The client hears that all is well."""
    answer = send(sandbox, **event)

    assert answer.status_code == 200
    assert stored(sandbox, "uuid") == []


def test_a_wrong_token_is_a_401(sandbox: Sandbox) -> None:
    """Nothing is stored."""
    answer = send(sandbox, api_key="phc_wrong")

    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_api_key"
    assert stored(sandbox, "uuid") == []


def test_what_is_not_json_is_a_400(sandbox: Sandbox) -> None:
    """So is what only seems to be packed."""
    for data in (b"event=e", b"\x1f\x8bnot", b'{"batch": 1}'):
        answer = requests.post(f"{sandbox.url}/batch/", data=data, timeout=60)

        assert answer.status_code == 400


def test_an_event_without_uuid_gets_one(sandbox: Sandbox) -> None:
    """Of version 7, which says when."""
    send(sandbox)

    assert UUID(stored(sandbox, "uuid")[0]).version == 7


def test_identify_makes_two_ids_one_person(sandbox: Sandbox) -> None:
    """What is set on a person stands on its later events."""
    send(sandbox, distinct_id="anon", timestamp="2026-01-01T00:00:01Z")
    send(
        sandbox,
        event="$identify",
        distinct_id="user",
        timestamp="2026-01-01T00:00:02Z",
        properties={"$anon_distinct_id": "anon", "$set": {"email": "a@b.c"}},
    )
    send(
        sandbox,
        distinct_id="anon",
        timestamp="2026-01-01T00:00:03Z",
        properties={"$set_once": {"email": "x@y.z", "plan": "free"}},
    )

    before, identified, after = stored(sandbox, "person_id")
    known = [json.loads(text) for text in stored(sandbox, "person_properties")]

    assert before == identified == after  # nobody was `user`: no two were merged
    email = {"email": "a@b.c"}
    assert known == [{}, email, email | {"plan": "free"}]


def test_sessions_and_elements_are_columns_too(sandbox: Sandbox) -> None:
    """As ingestion does, from the properties."""
    send(
        sandbox,
        properties={
            "$session_id": "s",
            "$window_id": "w",
            "$elements_chain": 'a:nth-child="1"',
        },
    )

    rows = sandbox.hogql("select $session_id, $window_id, elements_chain from events")

    assert rows == [["s", "w", 'a:nth-child="1"']]


def test_persons_outlive_the_process() -> None:
    """What was learnt is in the data, and so are the events."""
    with Sandbox() as sandbox:
        identify = {"$anon_distinct_id": "anon", "$set": {"email": "a@b.c"}}
        send(sandbox, event="$identify", distinct_id="user", properties=identify)
        send(sandbox, distinct_id="anon")
        sandbox.restart()

        send(sandbox, distinct_id="anon")

        assert len(set(stored(sandbox, "person_id"))) == 1
        assert len(stored(sandbox, "uuid")) == 3
