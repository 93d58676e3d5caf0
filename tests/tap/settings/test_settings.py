"""What users may write in a configuration, and what is said of what they may not."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tap_posthog.errors import ConfigError
from tap_posthog.settings.schema import SETTINGS_SCHEMA
from tap_posthog.settings.settings import Settings, with_defaults
from tap_posthog.tap import TapPostHog
from tests.tap.running import settings

UNITS = {
    "late_window_days": "late_window",
    "settle_seconds": "settle",
    "rest_lookback_minutes": "rest_lookback",
}


def test_schema_and_settings_name_the_same_things() -> None:
    """What users can set is what the program reads, under one name."""
    named = {UNITS.get(key, key) for key in SETTINGS_SCHEMA["properties"]}

    assert named == {field.name for field in dataclasses.fields(Settings)}


def test_every_setting_is_described() -> None:
    """Each setting has a title and a description, and the key is a secret."""
    for key, prop in SETTINGS_SCHEMA["properties"].items():
        assert prop["title"], key
        assert prop["description"].endswith("."), key

    assert SETTINGS_SCHEMA["properties"]["api_key"]["secret"] is True
    assert SETTINGS_SCHEMA["required"] == ["api_key", "project_id"]


def test_defaults_are_the_documented_ones() -> None:
    """Two settings are enough, and the rest is as the documentation says."""
    read = settings()

    assert read == Settings(
        api_key="phx_sandbox",
        project_id="1",
        base_url="https://us.posthog.com",
        start_at=None,
        end_at=None,
        created_before=None,
        include_events=(),
        exclude_events=(),
        late_window=timedelta(days=7),
        settle=timedelta(seconds=60),
        page_size=50_000,
        max_concurrent_queries=2,
        events_source="auto",
        files_url="",
        files_options={},
        rest_lookback=timedelta(hours=1),
        include_person_properties=False,
        request_timeout_seconds=120,
        max_wait_seconds=3900,
        audit=True,
        recheck_hours=24,
        full_scan_days=7,
        hogql_streams=(),
        report_path=None,
        follow_seconds=0,
    )


@pytest.mark.parametrize(
    ("given", "name", "read"),
    [
        ({"project_id": 77}, "project_id", "77"),
        ({"project_id": " 77 "}, "project_id", "77"),
        ({"base_url": "https://eu.posthog.com/"}, "base_url", "https://eu.posthog.com"),
        ({"base_url": "http://localhost:8000"}, "base_url", "http://localhost:8000"),
        ({"page_size": "500"}, "page_size", 500),
        ({"page_size": 500.0}, "page_size", 500),
        ({"page_size": None}, "page_size", 50_000),
        ({"audit": "false"}, "audit", False),
        ({"audit": "1"}, "audit", True),
        ({"events_source": "REST"}, "events_source", "rest"),
        (
            {"include_events": "$pageview, signup,"},
            "include_events",
            ("$pageview", "signup"),
        ),
        ({"include_events": '["a, b", "c"]'}, "include_events", ("a, b", "c")),
        ({"include_events": '["\\"a\\""]'}, "include_events", ('"a"',)),
        ({"include_events": "[Amp] View"}, "include_events", ("[Amp] View",)),
        ({"include_events": ""}, "include_events", ()),
        ({"base_url": "https://h/api-gw/ph"}, "base_url", "https://h/api-gw/ph"),
        ({"base_url": "https://h/api/ph"}, "base_url", "https://h/api/ph"),
        ({"base_url": "https://h/api/event-gw/"}, "base_url", "https://h/api/event-gw"),
        ({"base_url": "HTTPS://h/project/ph"}, "base_url", "HTTPS://h/project/ph"),
        ({"page_size": Decimal("500.0")}, "page_size", 500),
        ({"page_size": Decimal("5e2")}, "page_size", 500),
        ({"page_size": "5e2"}, "page_size", 500),
        ({"page_size": "500.0"}, "page_size", 500),
        ({"page_size": " 500\r"}, "page_size", 500),
        ({"page_size": ""}, "page_size", 50_000),
        ({"project_id": Decimal(77)}, "project_id", "77"),
        ({"audit": "off"}, "audit", False),
        ({"audit": "No "}, "audit", False),
        ({"audit": 1}, "audit", True),
        ({"events_source": " Query"}, "events_source", "query"),
        ({"exclude_events": ["a", "a", "b"]}, "exclude_events", ("a", "b")),
        ({"exclude_events": []}, "exclude_events", ()),
    ],
)
def test_spellings(given: dict[str, Any], name: str, read: object) -> None:
    """JSON, Meltano and environment variables may spell the same value differently."""
    assert getattr(settings(**given), name) == read


@pytest.mark.parametrize(
    "text",
    [
        "2022-08-05T12:00:00",
        "2022-08-05T12:00:00Z",
        "2022-08-05T14:00:00+02:00",
        "2022-08-05 12:00",
    ],
)
def test_a_time_without_offset_is_utc(text: str) -> None:
    """`start_at` means the same instant in each spelling."""
    assert settings(start_at=text).start_at == datetime(2022, 8, 5, 12, tzinfo=UTC)


def test_start_date_is_an_alias() -> None:
    """`start_date` is taken for `start_at`, which wins where both are given."""
    alias = settings(start_date="2022-01-01")
    both = settings(start_date="2022-01-01", start_at="2023-01-01")
    blank = settings(start_date="2022-01-01", start_at=" ")

    assert alias.start_at == datetime(2022, 1, 1, tzinfo=UTC)
    assert blank.start_at == alias.start_at
    assert both.start_at == datetime(2023, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("start_att", "; did you mean start_at?"),
        ("Page-Size", "; did you mean page_size?"),
        ("apikey", "; did you mean api_key?"),
        ("url", "; did you mean base_url?"),
        ("streammaps", "; did you mean stream_maps?"),
        ("qqq", ""),
    ],
)
def test_an_unknown_key_is_a_warning(
    caplog: pytest.LogCaptureFixture, key: str, hint: str
) -> None:
    """A key that is no setting is named, with the one that was probably meant."""
    TapPostHog(config={"api_key": "phx_a", "project_id": 1, key: "CANARY"})

    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"Unknown setting {key} is ignored{hint}"
    ]


def test_what_is_not_the_users_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """An alias, the SDK's own settings and Meltano's extras pass without a word."""
    given = {"start_date": "2022-01-01", "flattening_enabled": False}
    meltanos = {"_select": ["events.*"], "_catalog": None, "load_schema": "x"}
    TapPostHog(config={"api_key": "phx_a", "project_id": 1, **given, **meltanos})

    assert [r for r in caplog.records if r.levelname == "WARNING"] == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"api_key": None}, "api_key: not set, takes a personal API key (phx_...)"),
        ({"api_key": "phc_abc"}, "api_key: is a project token (phc_...), takes a"),
        ({"api_key": "phx a"}, "api_key: is no key: it holds spaces"),
        ({"api_key": 5}, "api_key: cannot be used as it is, takes a"),
        ({"project_id": None}, "project_id: not set, takes the number"),
        ({"project_id": "@current"}, 'project_id: got "@current", takes the number'),
        ({"project_id": True}, "project_id: got true, takes the number"),
        (
            {"base_url": "https://us.i.posthog.com"},
            "does not serve the API (use https://us.posthog.com), takes",
        ),
        (
            {"base_url": "https://eu.i.posthog.com/"},
            "does not serve the API (use https://eu.posthog.com), takes",
        ),
        (
            {"base_url": "https://app.posthog.com"},
            "(use https://us.posthog.com or https://eu",
        ),
        ({"base_url": "us.posthog.com"}, 'base_url: got "us.posthog.com", takes https'),
        ({"base_url": "ftp://x"}, 'base_url: got "ftp://x", takes'),
        (
            {"base_url": "http://us.posthog.com"},
            "shows the key to the network (use https://us.posthog.com)",
        ),
        ({"base_url": "http://[::1"}, "base_url: got"),
        (
            {"base_url": "https://x.io/ph/api/projects/1/query"},
            "with a path to a page or the API (write https://x.io/ph), takes",
        ),
        ({"base_url": "https://x.io/api"}, "(write https://x.io)"),
        ({"base_url": "https://x.io/project/1/events"}, "(write https://x.io)"),
        ({"base_url": "https://eu.posthog.com/x"}, "(write https://eu.posthog.com)"),
        ({"start_at": "2026-11"}, 'start_at: got "2026-11", takes a date or time'),
        ({"start_at": "2026-13-01"}, 'start_at: got "2026-13-01", takes a date'),
        ({"start_at": "01/02/2026"}, 'start_at: got "01/02/2026", takes a date'),
        ({"start_at": "20220805"}, 'start_at: got "20220805", takes a date or time'),
        ({"start_at": "30 days ago"}, "which would be another time in each run, takes"),
        ({"end_at": "yesterday"}, "which would be another time in each run, takes"),
        ({"start_at": 20220805}, "start_at: got 20220805, takes a date or time"),
        ({"start_at": "3022-01-01"}, "3022-01-01T00:00:00.000000Z is in the future"),
        (
            {"start_at": "2022-02-01", "created_before": "2022-02-01"},
            "created_before: 2022-02-01T00:00:00.000000Z is not after start_at",
        ),
        (
            {"created_before": "2022-02-01", "events_source": "rest"},
            "created_before: the events list (events_source: rest) shows no created",
        ),
        (
            {"start_at": "2022-02-01", "end_at": "2022-02-01"},
            "end_at: 2022-02-01T00:00:00.000000Z is not after start_at",
        ),
        ({"page_size": 0}, "page_size: got 0, takes a whole number from 1 to 50000"),
        ({"page_size": "x"}, 'page_size: got "x", takes a whole number'),
        ({"page_size": True}, "page_size: got true, takes a whole number"),
        ({"page_size": 1.5}, "page_size: got 1.5, takes a whole number"),
        ({"page_size": Decimal("1.5")}, "page_size: got 1.5, takes a whole number"),
        ({"page_size": "1_000"}, 'page_size: got "1_000", takes a whole number'),
        ({"page_size": "1,000"}, 'page_size: got "1,000", takes a whole number'),
        ({"page_size": "\u0661\u0662"}, 'page_size: got "\\u0661\\u0662", takes'),
        ({"page_size": "NaN"}, 'page_size: got "NaN", takes a whole number'),
        ({"page_size": float("inf")}, "page_size: got Infinity, takes a whole number"),
        ({"page_size": 10**400}, "takes a whole number from 1 to 50000"),
        ({"page_size": "9" * 5000}, "takes a whole number from 1 to 50000"),
        ({"page_size": "'500'"}, "in quotation marks (leave them out), takes a whole"),
        ({"audit": '"true"'}, "in quotation marks (leave them out), takes true or"),
        ({"include_events": '"a", "b"'}, "in quotation marks (leave them out), takes"),
        ({"base_url": "'https://x.io'"}, "in quotation marks (leave them out), takes"),
        ({"page_size": "${SIZE}"}, "a placeholder that nothing has filled in, takes"),
        ({"project_id": "<your id>"}, "a placeholder that nothing has filled in"),
        ({"include_events": "{{ events }}"}, "a placeholder that nothing has filled"),
        ({"include_events": "None"}, "a placeholder that nothing has filled in"),
        ({"max_concurrent_queries": 4}, "max_concurrent_queries: got 4, takes a whole"),
        ({"events_source": "csv"}, "takes one of auto, query, rest"),
        ({"audit": "maybe"}, 'audit: got "maybe", takes true or false'),
        ({"include_events": [1]}, "include_events: got [1], takes event names"),
        ({"include_events": "[1, 2]"}, 'include_events: got "[1, 2]", takes event'),
        ({"include_events": "['a']"}, "include_events: got \"['a']\", takes event"),
        ({"include_events": [None]}, "include_events: got [null], takes event names"),
        ({"include_events": [""]}, 'got [""], with an empty name in it, takes event'),
        ({"exclude_events": ["a", " "]}, "with an empty name in it, takes event"),
        ({"include_events": ",,"}, 'got ",,", with an empty name in it, takes event'),
        ({"include_events": "a,,b"}, "with an empty name in it, takes event names"),
        ({"include_events": {"a": 1}}, "takes event names"),
        ({"follow_seconds": 3}, "follow_seconds: got 3, takes 0 (one sync) or 10"),
    ],
)
def test_a_bad_value_is_one_line(given: dict[str, Any], says: str) -> None:
    """It names the key, what it got and what it takes."""
    with pytest.raises(ConfigError) as caught:
        settings(**given)

    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "phc_CANARY",
        "phx_CANARY x",
        ["phx_CANARY"],
        {"a": "CANARY"},
        "CANARY\n x",
        "'phx_CANARY'",
        "${CANARY}",
        "phx_CANARY\N{SNOWMAN}",
    ],
)
def test_a_secret_is_never_repeated(key: object) -> None:
    """Whatever is wrong with the API key, its value is not shown."""
    with pytest.raises(ConfigError) as caught:
        settings(api_key=key)

    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ('"phx_CANARY"', "is in quotation marks (leave them out)"),
        ("'phx_CANARY'", "is in quotation marks (leave them out)"),
        ("\u201cphx_CANARY\u201d", "is in quotation marks (leave them out)"),
        ("${POSTHOG_API_KEY}", "is a placeholder that nothing has filled in"),
        ("$POSTHOG_API_KEY", "is a placeholder that nothing has filled in"),
        ("{{ env_var('KEY') }}", "is a placeholder that nothing has filled in"),
        ("<your key>", "is a placeholder that nothing has filled in"),
        ("%POSTHOG_API_KEY%", "is a placeholder that nothing has filled in"),
        ("null", "is a placeholder that nothing has filled in"),
        ('"phx_CANARY', "is no key: it holds spaces or characters that no key has"),
    ],
)
def test_a_key_that_is_none_is_told_without_a_request(key: str, why: str) -> None:
    """Quotation marks of a Docker `--env-file`, or a variable that was never filled."""
    with pytest.raises(ConfigError) as caught:
        settings(api_key=key)

    assert str(caught.value).startswith(f"api_key: {why}, takes a personal API key")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:CANARY@posthog.example.com",
        "https://user:CANARY@posthog.example.com:port",
        "user:CANARY@posthog.example.com",
        "'https://user:CANARY@posthog.example.com'",
        "user:CANARY@${HOST}",
        ["https://user:CANARY@posthog.example.com"],
    ],
)
def test_a_password_in_the_url_is_never_repeated(url: object) -> None:
    """A password that was written into `base_url` is in no message."""
    with pytest.raises(ConfigError) as caught:
        settings(base_url=url)

    assert "CANARY" not in str(caught.value)


def test_settings_do_not_print_the_key() -> None:
    """Settings may end up in a log; the key may not."""
    assert "CANARY" not in repr(settings(api_key="phx_CANARY"))


def test_defaults_do_not_touch_what_was_given() -> None:
    """A null is a key that was not given, and the given mapping stays as it was."""
    given = {"page_size": None, "audit": False}

    filled = with_defaults(given, SETTINGS_SCHEMA)

    assert given == {"page_size": None, "audit": False}
    assert (filled["page_size"], filled["audit"]) == (50_000, False)
