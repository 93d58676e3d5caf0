"""The settings: what is taken, what is refused, and that no message holds a secret."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.schema import SCHEMA
from target_patterns_webhook.settings import Settings

URL = "https://api.patterns.app/api/app/webhooks/canary"


def read(**config: object) -> Settings:
    """Read settings beside a good URL."""
    return Settings.from_config({"webhook_url": URL, **config})


def test_schema_and_settings_name_the_same_things() -> None:
    """Every setting that users see is one that the code reads, and the other way."""
    theirs = set(SCHEMA["properties"]) - {"validate_records"}  # read by the SDK

    assert theirs == {field.name for field in dataclasses.fields(Settings)}


def test_each_setting_is_described() -> None:
    """Every setting has a title and a description; the three secrets are marked."""
    secret = {n for n, entry in SCHEMA["properties"].items() if entry.get("secret")}

    assert all(e["title"] and e["description"] for e in SCHEMA["properties"].values())
    assert secret == {"webhook_url", "headers", "signing_secret"}


def test_defaults() -> None:
    """With nothing but the URL, everything is as the documentation says."""
    assert dataclasses.asdict(read()) == {
        "webhook_url": URL,
        "batch_size_rows": 500,
        "max_batch_bytes": 1_000_000,
        "max_batch_age_seconds": 10.0,
        "max_parallel_requests": 4,
        "timeout_seconds": 30.0,
        "max_retry_seconds": 900.0,
        "compression": "none",
        "headers": {},
        "signing_secret": None,
        "allowed_event_types": None,
        "record_format": "event",
        "project_id": None,
        "revenue_property": "revenue",
        "payload_format": "array",
        "on_rejected": "fail",
        "dead_letter_path": Path("patterns-dead-letter.jsonl"),
    }


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        pytest.param({"batch_size_rows": "20"}, "batch_size_rows", 20, id="text"),
        pytest.param({"batch_size_rows": 20.0}, "batch_size_rows", 20, id="whole"),
        pytest.param({"timeout_seconds": "0.5"}, "timeout_seconds", 0.5, id="fraction"),
        pytest.param({"headers": '{"X-A": "b"}'}, "headers", {"X-A": "b"}, id="json"),
        pytest.param({"headers": ""}, "headers", {}, id="empty"),
        pytest.param({"signing_secret": None}, "signing_secret", None, id="null"),
        pytest.param(
            {"allowed_event_types": "$pageview, sign up,"},
            "allowed_event_types",
            {"$pageview", "sign up"},
            id="commas",
        ),
        pytest.param(
            {"allowed_event_types": '["a,b"]'},
            "allowed_event_types",
            {"a,b"},
            id="array-as-text",
        ),
        pytest.param(
            {"allowed_event_types": []}, "allowed_event_types", None, id="none"
        ),
        pytest.param({"webhook_url": f" {URL}\n"}, "webhook_url", URL, id="spaces"),
        pytest.param({"unknown": 1}, "webhook_url", URL, id="unknown-key"),
        pytest.param({"project_id": "007"}, "project_id", 7, id="project"),
    ],
)
def test_taken(config: dict[str, Any], name: str, value: object) -> None:
    """Text is taken where a number or a list is meant; unknown keys are ignored."""
    assert getattr(read(**config), name) == value


@pytest.mark.parametrize(
    ("config", "line"),
    [
        pytest.param(
            {"project_id": "phc_abc"},
            "project_id is 'phc_abc'. It takes the number of a PostHog project.",
            id="no-project",
        ),
        pytest.param(
            {"batch_size_rows": "many"},
            "batch_size_rows is 'many'. It takes a whole number, 1 to 1,000,000.",
            id="no-number",
        ),
        pytest.param(
            {"batch_size_rows": 2.5},
            "batch_size_rows is 2.5. It takes a whole number, 1 to 1,000,000.",
            id="fraction",
        ),
        pytest.param(
            {"batch_size_rows": True},
            "batch_size_rows is True. It takes a whole number, 1 to 1,000,000.",
            id="boolean",
        ),
        pytest.param(
            {"max_parallel_requests": 0},
            "max_parallel_requests is 0. It takes a whole number, 1 to 128.",
            id="too-small",
        ),
        pytest.param(
            {"timeout_seconds": 0},
            "timeout_seconds is 0. It takes a number, above 0, up to 3,600.",
            id="no-time",
        ),
        pytest.param(
            {"timeout_seconds": "nan"},
            "timeout_seconds is 'nan'. It takes a number, above 0, up to 3,600.",
            id="nan",
        ),
        pytest.param(
            {"compression": "zstd"},
            "compression is 'zstd'. It takes none or gzip.",
            id="choice",
        ),
        pytest.param(
            {"allowed_event_types": [1]},
            "allowed_event_types is [1]. It takes event names, as an array or as text "
            "with commas.",
            id="names",
        ),
        pytest.param(
            {"dead_letter_path": 7},
            "dead_letter_path is 7. It takes text.",
            id="path",
        ),
        pytest.param(
            {"webhook_url": None},
            "webhook_url is missing. It takes an http:// or https:// URL, as Patterns "
            "shows it on the webhook node.",
            id="missing",
        ),
    ],
)
def test_refused(config: dict[str, Any], line: str) -> None:
    """A bad value names the key, what it got and what it takes."""
    with pytest.raises(ConfigError) as caught:
        read(**config)

    assert str(caught.value) == line


@pytest.mark.parametrize(
    "config",
    [
        {"webhook_url": "ftp://host/canary"},
        {"webhook_url": "https:///canary"},
        {"webhook_url": "https://host:canary/"},
        {"webhook_url": "https://host/can\x00ary canary"},
        {"webhook_url": "https://[canary"},
        {"webhook_url": 3},
        {"headers": ["canary"]},
        {"headers": "canary"},
        {"headers": {"X": "canary\r\nEvil: 1"}},
        {"headers": {"X": "canary\N{SNOWMAN}"}},
        {"headers": {"X canary": "y"}},
        {"headers": {"X": 1}},
        {"headers": {"Content-Length": "canary"}},
        {"signing_secret": "whsec_canary!"},
        {"signing_secret": "whsec_"},
        {"signing_secret": 5},
    ],
    ids=str,
)
def test_a_bad_secret_is_not_shown(config: dict[str, Any]) -> None:
    """A secret that cannot be used is named, its value is not."""
    with pytest.raises(ConfigError, match=next(iter(config))) as caught:
        read(**config)

    assert "canary" not in str(caught.value)


def test_secrets_do_not_print() -> None:
    """Settings in a log or a traceback show no secret."""
    signing = "whsec_Y2FuYXJ5"
    settings = read(headers={"A": "canary"}, signing_secret=signing)

    assert "canary" not in repr(settings)
    assert signing not in repr(settings)


@pytest.mark.parametrize(
    ("url", "receiver", "in_the_clear"),
    [
        ("https://user:pw@h.example:8443/p?q#f", "https://h.example:8443", False),
        ("http://h.example/p", "http://h.example", True),
        ("http://10.0.0.1/p", "http://10.0.0.1", True),
        ("http://localhost:1/p", "http://localhost:1", False),
        ("http://127.0.0.2/p", "http://127.0.0.2", False),
        ("http://[::1]:80/p", "http://[::1]:80", False),
    ],
)
def test_what_may_be_shown_of_the_url(
    url: str,
    receiver: str,
    in_the_clear: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Scheme, host and port may be shown; http:// to another machine is noticed."""
    settings = read(webhook_url=url)

    assert (settings.receiver, settings.in_the_clear) == (receiver, in_the_clear)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(name=st.sampled_from(sorted(SCHEMA["properties"])), value=json_values)
def test_any_value_is_taken_or_refused_in_one_line(name: str, value: object) -> None:
    """Whatever stands in a config file, it is used or answered with one sentence."""
    line = f"{name} is used"
    try:
        read(**{name: value})
    except ConfigError as error:
        line = str(error)

    assert line.startswith(f"{name} ")
    assert "\n" not in line
