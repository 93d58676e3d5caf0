"""The settings: their names and defaults, what is taken and what is refused."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_patterns_webhook.errors import ConfigError
from target_patterns_webhook.settings.schema import SCHEMA
from target_patterns_webhook.settings.settings import Settings
from tests.target.settings.reading import URL, read


def test_schema_and_settings_name_the_same_things() -> None:
    """Every setting that users see is one that the code reads, and the other way."""
    theirs = set(SCHEMA["properties"]) - {
        "load_method",
        "validate_records",
    }  # the SDK's

    assert theirs == {field.name for field in dataclasses.fields(Settings)}


def test_each_setting_is_described() -> None:
    """Every setting has a title and a description; the four secrets are marked."""
    secret = {n for n, entry in SCHEMA["properties"].items() if entry.get("secret")}

    assert all(e["title"] and e["description"] for e in SCHEMA["properties"].values())
    assert secret == {"webhook_url", "webhook_urls", "headers", "signing_secret"}


def test_defaults() -> None:
    """With nothing but the URL, everything is as the documentation says."""
    assert dataclasses.asdict(read()) == {
        "webhook_url": URL,
        "webhook_urls": {},
        "batch_size_rows": 500,
        "max_batch_bytes": 1_000_000,
        "max_batch_age_seconds": 10.0,
        "max_parallel_requests": 4,
        "max_requests_per_second": None,
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
        "report_path": None,
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
        pytest.param(
            {"timeout_seconds": Decimal("2.5")}, "timeout_seconds", 2.5, id="sdk"
        ),
        pytest.param(
            {"batch_size_rows": Decimal("500.0")}, "batch_size_rows", 500, id="sdk-int"
        ),
        pytest.param({"compression": " GZIP"}, "compression", "gzip", id="case"),
        pytest.param({"timeout_seconds": "1e1 "}, "timeout_seconds", 10, id="exponent"),
        pytest.param({"project_id": 7}, "project_id", 7, id="number"),
        pytest.param(
            {"revenue_property": "$revenue"}, "revenue_property", "$revenue", id="$"
        ),
        pytest.param(
            {"webhook_url": "https://h/fn:$LATEST/x"},
            "webhook_url",
            "https://h/fn:$LATEST/x",
            id="dollar",
        ),
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
            'project_id: got "phc_abc", takes the number of a PostHog project',
            id="no-project",
        ),
        pytest.param(
            {"batch_size_rows": "many"},
            'batch_size_rows: got "many", takes a whole number from 1 to 1000000',
            id="no-number",
        ),
        pytest.param(
            {"batch_size_rows": 2.5},
            "batch_size_rows: got 2.5, takes a whole number from 1 to 1000000",
            id="fraction",
        ),
        pytest.param(
            {"batch_size_rows": True},
            "batch_size_rows: got true, takes a whole number from 1 to 1000000",
            id="boolean",
        ),
        pytest.param(
            {"max_parallel_requests": 0},
            "max_parallel_requests: got 0, takes a whole number from 1 to 128",
            id="too-small",
        ),
        pytest.param(
            {"timeout_seconds": 0},
            "timeout_seconds: got 0, takes a number above 0, up to 3600",
            id="no-time",
        ),
        pytest.param(
            {"timeout_seconds": "nan"},
            'timeout_seconds: got "nan", takes a number above 0, up to 3600',
            id="nan",
        ),
        pytest.param(
            {"compression": "zstd"},
            'compression: got "zstd", takes one of none, gzip',
            id="choice",
        ),
        pytest.param(
            {"allowed_event_types": [1]},
            "allowed_event_types: got [1], takes event names, as an array or "
            'comma-separated: "$pageview, signup"',
            id="names",
        ),
        pytest.param(
            {"dead_letter_path": 7}, "dead_letter_path: got 7, takes text", id="path"
        ),
        pytest.param(
            {"webhook_url": None},
            "webhook_url: not set, takes an http:// or https:// URL, as Patterns "
            "shows it on the webhook node",
            id="missing",
        ),
        pytest.param(
            {"allowed_event_types": [""]},
            'allowed_event_types: got [""], with an empty name in it, takes event '
            'names, as an array or comma-separated: "$pageview, signup"',
            id="empty-name",
        ),
        pytest.param(
            {"allowed_event_types": ["a", None]},
            'allowed_event_types: got ["a", null], takes event names, as an array or '
            'comma-separated: "$pageview, signup"',
            id="null-name",
        ),
        pytest.param(
            {"batch_size_rows": '"500"'},
            'batch_size_rows: got "\\"500\\"", in quotation marks (leave them out), '
            "takes a whole number from 1 to 1000000",
            id="quoted-number",
        ),
        pytest.param(
            {"max_retry_seconds": Decimal("-0.5")},
            "max_retry_seconds: got -0.5, takes a number from 0 to 604800",
            id="decimal",
        ),
        pytest.param(
            {"dead_letter_path": "${DEAD}"},
            'dead_letter_path: got "${DEAD}", a placeholder that nothing has filled '
            "in, takes text",
            id="unfilled",
        ),
    ],
)
def test_refused(config: dict[str, Any], line: str) -> None:
    """A bad value names the key, what it got and what it takes."""
    with pytest.raises(ConfigError) as caught:
        read(**config)

    assert str(caught.value) == line


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(name=st.sampled_from(sorted(SCHEMA["properties"])), value=json_values)
def test_any_value_is_taken_or_refused_in_one_line(name: str, value: object) -> None:
    """Whatever stands in a config file, it is used or answered with one sentence."""
    line = f"{name}: is used"
    try:
        read(**{name: value})
    except ConfigError as error:
        line = str(error)

    assert line.startswith(f"{name}: ")
    assert "\n" not in line
