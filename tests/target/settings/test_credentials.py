"""Settings that are secrets: refused and shown without their value."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from target_patterns_webhook.errors import ConfigError
from tests.support.receiver import Receiver
from tests.target.inside import run_inside
from tests.target.process import singer
from tests.target.settings.reading import URL, read


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
    webhook = read(webhook_url=url).webhooks.other
    assert webhook is not None

    assert (webhook.receiver, webhook.in_the_clear) == (receiver, in_the_clear)
