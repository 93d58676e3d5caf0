"""Record formats: values move, none is changed, and only events are touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.settings.settings import Settings
from target_patterns_webhook.singer.formats import EVENT_COLUMNS, moment, shape_for

if TYPE_CHECKING:
    from collections.abc import Collection

EVENT = (
    '{"uuid": "u-1", "event": "purchase", "distinct_id": "d-1", '
    '"timestamp": "2026-11-21T10:00:00.000000Z", "elements_chain": "", '
    '"properties": %s}'
)


def shaped(
    record: bytes, columns: Collection[str] = EVENT_COLUMNS, **config: object
) -> bytes | None:
    """Return what is sent for a record."""
    settings = Settings.from_config({"webhook_url": "http://localhost/", **config})
    shape = shape_for(settings, columns)
    return shape(record) if shape else record


def event(**properties: object) -> bytes:
    """Return an event as bytes."""
    return (EVENT % json.dumps(properties)).encode()


def row(record: bytes, **config: object) -> dict[str, Any]:
    """Return the activity row of an event."""
    text = shaped(record, EVENT_COLUMNS, record_format="activity", **config)
    return dict(json.loads(text or b"{}"))


def test_event_is_the_bytes_that_came() -> None:
    """Without a format or a filter nothing stands between the tap and the receiver."""
    settings = Settings.from_config({"webhook_url": "http://localhost/"})

    assert shape_for(settings, EVENT_COLUMNS) is None


def test_connector_posts_what_the_connector_app_posts() -> None:
    """`connector` has the app's keys; $set and $set_once where the event has them."""
    plain = shaped(event(**{"$ip": "1.2.3.4"}), record_format="connector")
    sets = shaped(
        event(**{"$set": {"a": 1}, "$set_once": {"b": 2}}), record_format="connector"
    )

    assert json.loads(plain or b"") == {
        "uuid": "u-1",
        "event": "purchase",
        "distinct_id": "d-1",
        "timestamp": "2026-11-21T10:00:00.000000Z",
        "properties": {"$ip": "1.2.3.4"},
        "team_id": None,
        "ip": "1.2.3.4",
    }
    assert json.loads(sets or b"")["$set"] == {"a": 1}
    assert json.loads(sets or b"")["$set_once"] == {"b": 2}


def test_connector_takes_team_id_from_the_record() -> None:
    """A record that names its project, by a stream map for one, keeps it."""
    record = event().replace(b'{"uuid"', b'{"team_id": 7, "uuid"')

    row = shaped(record, record_format="connector", project_id="12345")
    assert json.loads(row or b"")["team_id"] == 7


def test_connector_has_the_project_as_team_id() -> None:
    """An event does not say which project it is of; the setting does."""
    row = shaped(event(), record_format="connector", project_id="12345")

    assert json.loads(row or b"")["team_id"] == 12345


def test_activity_has_the_columns_of_the_activity_schema() -> None:
    """`activity` fills the columns that an event alone can fill, in their order."""
    properties = {"$device_id": "dev", "revenue": 9.5, "$current_url": "https://a/b"}

    assert list(row(event(**properties)).items()) == [
        ("activity_id", "u-1"),
        ("ts", "2026-11-21T10:00:00.000000Z"),
        ("customer", "d-1"),
        ("anonymous_customer_id", "dev"),
        ("activity", "purchase"),
        ("feature_json", properties),
        ("revenue_impact", 9.5),
        ("link", "https://a/b"),
    ]


@pytest.mark.parametrize(
    ("properties", "customer", "anonymous"),
    [
        pytest.param({}, "d-1", "d-1", id="a-server-names-its-users"),
        pytest.param({"$device_id": "d-1"}, None, "d-1", id="a-device-only"),
        pytest.param({"$device_id": "x"}, "d-1", "x", id="a-user-on-a-device"),
        pytest.param(
            {"$device_id": "x", "$is_identified": False}, None, "x", id="told-that-not"
        ),
        pytest.param(
            {"$device_id": "d-1", "$is_identified": True},
            "d-1",
            "d-1",
            id="told-that-so",
        ),
        pytest.param({"$process_person_profile": False}, None, "d-1", id="no-profile"),
    ],
)
def test_customer_is_an_identified_person(
    properties: dict[str, Any], customer: str | None, anonymous: str
) -> None:
    """`customer` is the distinct_id of an identified person, and null for others."""
    made = row(event(**properties))

    assert (made["customer"], made["anonymous_customer_id"]) == (customer, anonymous)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("1e400", b"1e400"),
        ("-0", b"-0"),
        ("12345678901234567890.10", b"12345678901234567890.10"),
        ('"12"', b"null"),
        ("null", b"null"),
        ("true", b"null"),
        ("[1]", b"null"),
    ],
)
def test_revenue_is_a_number_as_it_came(text: str, sent: bytes) -> None:
    """`revenue_impact` is the number under the property, not rounded, else null."""
    record = (EVENT % f'{{"amount": {text}}}').encode()

    made = shaped(record, record_format="activity", revenue_property="amount")

    assert b'"revenue_impact":' + sent + b"," in (made or b"")


HOSTILE = r'{"$ip":"\ud800","n":1e400,"$set":{"x":1.10},"$device_id":"\udc00"}'


@pytest.mark.parametrize("record_format", ["connector", "activity"])
def test_properties_keep_their_bytes(record_format: str) -> None:
    """Lone surrogates and numbers beyond a float pass through either shape."""
    made = shaped((EVENT % HOSTILE).encode(), record_format=record_format) or b""

    assert HOSTILE.encode() in made
    assert json.loads(made)


@given(st.text(st.characters(exclude_categories=[])))
def test_a_shape_is_valid_json_for_any_name(name: str) -> None:
    """Whatever an event is called, its row is JSON and has that name."""
    record = json.dumps(json.loads(event(a=1)) | {"event": name}).encode()

    assert row(record)["activity"] == name


@pytest.mark.parametrize("properties", ["null", '"text"', "[1]", "7"])
def test_properties_that_are_no_object(properties: str) -> None:
    """An event whose properties are no object still becomes a row."""
    made = row((EVENT % properties).encode())

    assert made["feature_json"] == json.loads(properties)
    assert made["link"] is None


def test_other_streams_pass_as_they_are() -> None:
    """A stream without an event's columns is sent as it came, whatever the format."""
    for config in ({"record_format": "activity"}, {"allowed_event_types": "purchase"}):
        assert shaped(b'{"id":1}', ["id"], **config) == b'{"id":1}'


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ('"purchase"', True),
        (r'"purch\u0061se"', True),
        ('"Purchase"', False),
        ('"purchase "', False),
        ("null", False),
        ('["purchase"]', False),
        (r'"\ud800"', False),
        ('"a\\"b"', True),
    ],
)
def test_only_allowed_events_are_sent(name: str, sent: bool) -> None:  # noqa: FBT001 - a column of the table
    """Exactly the named events are sent, however their name is escaped."""
    record = event().replace(b'"purchase"', name.encode())

    made = shaped(record, allowed_event_types=["purchase", 'a"b'])

    assert made == (record if sent else None)


def test_an_allowed_event_is_shaped() -> None:
    """The filter and the shape work together."""
    config = {"record_format": "activity", "allowed_event_types": "purchase"}

    assert b'"activity":"purchase"' in (shaped(event(), **config) or b"")
    assert shaped(event().replace(b"purchase", b"other"), **config) is None


def test_moment() -> None:
    """Where in time a record is, is its timestamp, if it has one."""
    assert moment(event()) == "2026-11-21T10:00:00.000000Z"
    assert moment(b'{"timestamp": 5}') == ""
    assert moment(b"") == ""
