"""The settings: what is taken, what is refused, and that no message holds a secret."""

from __future__ import annotations

import base64
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
from target_patterns_webhook.target import TargetPatternsWebhook
from tests.support.receiver import Receiver
from tests.target.inside import run_inside
from tests.target.process import singer

URL = "https://api.patterns.app/api/app/webhooks/canary"


def read(**config: object) -> Settings:
    """Read settings beside a good URL."""
    return Settings.from_config({"webhook_url": URL, **config})


def test_schema_and_settings_name_the_same_things() -> None:
    """Every setting that users see is one that the code reads, and the other way."""
    theirs = set(SCHEMA["properties"]) - {
        "load_method",
        "validate_records",
    }  # the SDK's

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
            {"dead_letter_path": 7},
            "dead_letter_path: got 7, takes text",
            id="path",
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
        {"webhook_url": f"'{URL}'"},
        {"webhook_url": "${CANARY}".lower()},
        {"webhook_url": "https://host/${canary}"},
        {"webhook_url": "https://host/<canary>"},
        {"headers": {"Authorization": "Bearer ${canary}"}},
        {"headers": {"Authorization": "Bearer <canary>"}},
        {"headers": {"Authorization": "'Bearer canary'"}},
        {"headers": '\'{"Authorization": "canary"}\''},
        {"headers": "{{ canary }}"},
        {"signing_secret": '"whsec_canary"'},
        {"signing_secret": "null"},
    ],
    ids=str,
)
def test_a_bad_secret_is_not_shown(config: dict[str, Any]) -> None:
    """A secret that cannot be used is named, its value is not."""
    with pytest.raises(ConfigError, match=next(iter(config))) as caught:
        read(**config)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"webhook_url": f'"{URL}"'},
            "webhook_url: is in quotation marks (leave them out), takes an http://",
        ),
        (
            {"webhook_url": "$WEBHOOK_URL"},
            "webhook_url: is a placeholder that nothing has filled in, takes an http",
        ),
        (
            {"webhook_url": "https://host/<id>/${ID}"},
            "webhook_url: is a placeholder that nothing has filled in, takes an http",
        ),
        (
            {"headers": {"Authorization": "Bearer $TOKEN"}},
            "headers: is not usable: Authorization is a placeholder that nothing has",
        ),
        (
            {"headers": "'{}'"},
            "headers: is in quotation marks (leave them out), takes an object",
        ),
        (
            {"signing_secret": "{{ var('secret') }}"},
            "signing_secret: is a placeholder that nothing has filled in, takes whsec_",
        ),
    ],
)
def test_a_secret_that_is_none_is_told(config: dict[str, Any], line: str) -> None:
    """Quotation marks, or a variable that was never filled in, are said to be that."""
    with pytest.raises(ConfigError) as caught:
        read(**config)

    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION"])
def test_two_credentials_for_one_request_are_refused(name: str) -> None:
    """A user name in the URL would replace the header without a word."""
    with pytest.raises(ConfigError) as caught:
        read(webhook_url="https://u:canary@h.example", headers={name: "Bearer canary"})

    assert str(caught.value) == (
        "headers: holds Authorization, and webhook_url a user name or password, of "
        "which a request can carry one; leave out the other"
    )


def test_one_credential_is_sent() -> None:
    """A user name in the URL alone, or a header alone, reaches the receiver."""
    sent = []
    for user, headers in (("u:p%40w@", {}), ("", {"Authorization": "Bearer b"})):
        with Receiver() as receiver:
            url = receiver.url.replace("://", f"://{user}")
            run_inside({"webhook_url": url, "headers": headers}, singer(range(1)))
            sent += [r.headers["authorization"] for r in receiver.requests]

    basic = base64.b64encode(b"u:p@w").decode()
    assert sent == [f"Basic {basic}", "Bearer b"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("batch_size", "; did you mean batch_size_rows?"),
        ("Webhook-URL", "; did you mean webhook_url?"),
        ("url", "; did you mean webhook_url?"),
        ("default_target_schema", ""),
    ],
)
def test_an_unknown_key_is_a_warning(
    caplog: pytest.LogCaptureFixture, key: str, hint: str
) -> None:
    """A key that is no setting is named, with the one that was probably meant."""
    TargetPatternsWebhook(config={"webhook_url": URL, key: "canary"})

    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"Unknown setting {key} is ignored{hint}"
    ]


@pytest.mark.parametrize(
    ("method", "warned"),
    [("append-only", 0), (None, 0), ("upsert", 1), ("OVERWRITE", 1)],
)
def test_a_webhook_only_appends(
    caplog: pytest.LogCaptureFixture,
    method: str | None,
    warned: int,
) -> None:
    """`upsert` and `overwrite` change nothing here, which is said once."""
    TargetPatternsWebhook(config={"webhook_url": URL, "load_method": method})

    words = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert (
        words
        == [f"load_method is {str(method).lower()}, but a webhook only appends."]
        * warned
    )


def test_the_sdks_settings_are_read_alike(caplog: pytest.LogCaptureFixture) -> None:
    """Text and decimals do for the SDK's own settings too, and objects are checked."""
    given = {
        "flattening_enabled": "no",
        "flattening_max_depth": Decimal("2.0"),
        "stream_maps": '{"s": {"a": "1"}}',
        "_select": [],
    }
    target = TargetPatternsWebhook(config={"webhook_url": URL, **given})
    with pytest.raises(ConfigError, match=r"^stream_maps\.s: is not of the form"):
        TargetPatternsWebhook(config={"webhook_url": URL, "stream_maps": {"s": 1}})

    with pytest.raises(ConfigError, match=r"^stream_map_config: cannot be") as broken:
        TargetPatternsWebhook(
            config={"webhook_url": URL, "stream_map_config": '{"salt": "canary'}
        )

    assert "canary" not in str(broken.value)
    assert target.config["flattening_enabled"] is False
    assert target.config["flattening_max_depth"] == 2
    assert target.config["stream_maps"] == {"s": {"a": "1"}}
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []


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
    webhook = read(webhook_url=url).webhook

    assert (webhook.receiver, webhook.in_the_clear) == (receiver, in_the_clear)


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
