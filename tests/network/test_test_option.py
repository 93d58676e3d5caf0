"""`--test` of both programs: an answer within a minute, whatever the other end does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tap_posthog import errors as tap_errors
from tap_posthog.api.client import Client
from tap_posthog.events.probe import PROBE_SECONDS
from tap_posthog.events.probe import probe as probe_posthog
from target_patterns_webhook import errors as target_errors
from target_patterns_webhook.http import probe
from tests.support.raw import RawServer
from tests.support.simulation import settings as target_settings
from tests.tap import running as tap
from tests.target import process as target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw import Play, Talk

LATE = 30  # for what has two seconds, on a busy machine


def repeating(answer: bytes) -> Play:
    """Answer every request the same way."""

    def play(talk: Talk) -> None:
        while talk.read():
            talk.send(answer)

    return play


def dripping(talk: Talk) -> None:
    """Answer with a head that has no end."""
    talk.read()
    talk.drip(b"HTTP/1.1 200 OK\r\nX-A: b\r\n")


def hanging(talk: Talk) -> None:
    """Take the request, and say nothing."""
    talk.read()
    talk.hang()


def status(line: str, *headers: str, body: str = "") -> bytes:
    """Write an answer."""
    lines = [f"HTTP/1.1 {line}", *headers, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


PAGE = "<!doctype html><title>Just a moment...</title>"
LIMIT = '{"type": "throttled_error", "detail": "Request was throttled."}'


@pytest.mark.parametrize(
    ("play", "says"),
    [
        pytest.param(
            repeating(status("500 Oops")),
            "in the time of a test: server error 500",
            id="constant-500",
        ),
        pytest.param(
            repeating(status("503 Busy", "Retry-After: 3600")),
            "in the time of a test: server error 503",
            id="503-for-an-hour",
        ),
        pytest.param(
            repeating(status("429 Slow", "Retry-After: 1830", body=LIMIT)),
            "answers, but asks to wait 1,830 s: rate limit (Request was throttled)",
            id="429-for-half-an-hour",
        ),
        pytest.param(
            repeating(status("429 Slow", body=LIMIT)),
            "answers, but asks to wait ",
            id="429-for-ever",
        ),
        pytest.param(
            repeating(status("524 Time", body=PAGE)),
            "server error 524 (a web page, which is not PostHog's own answer)",
            id="gateway",
        ),
        pytest.param(
            repeating(status("200 OK", body=PAGE)),
            "cannot be reached: a web page, an answer that is not PostHog's",
            id="web-page",
        ),
        pytest.param(
            repeating(status("200 OK", "Content-Encoding: br", body="x")),
            "the answer is compressed with br",
            id="brotli",
        ),
        pytest.param(hanging, "no answer within ", id="hang"),
        pytest.param(dripping, "no answer within ", id="drip"),
        pytest.param(lambda talk: talk.read(), "the connection broke", id="hang-up"),
    ],
)
def test_the_taps_test_ends_in_time(play: Play, says: str) -> None:
    """In one line that says what was met last."""
    with RawServer(play) as server:
        given = tap.settings(base_url=server.url, request_timeout_seconds=1000)
        began = time.monotonic()
        with (
            pytest.raises(tap_errors.TapError) as told,
            Client(given, patience=2) as client,
        ):
            probe_posthog(client, given)
        took = time.monotonic() - began

    assert says in str(told.value)
    assert took < LATE


@pytest.mark.parametrize("drips", [False, True])
@pytest.mark.parametrize("proxied", [False, True])
def test_the_targets_test_ends_in_time(
    drips: bool,  # noqa: FBT001 - a parameter
    proxied: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that accepts and then says nothing, or little, has not answered."""
    monkeypatch.setattr(probe, "PROBE_SECONDS", 2.0)

    def play(talk: Talk) -> None:
        if drips:
            talk.drip(b"HTTP/1.1 " if proxied else b"\x16\x03\x03\x40\x00\x02\x00")
        talk.hang()

    with RawServer(play) as server:
        url = server.url.replace("http:", "https:")
        monkeypatch.setenv("no_proxy", "")
        if proxied:
            monkeypatch.setenv("https_proxy", server.url)
            url = "https://hooks.example"
        given = target_settings(webhook_url=f"{url}/canary", timeout_seconds=1000)
        began = time.monotonic()
        with pytest.raises(target_errors.FatalError) as told:
            probe.probe(given)
        took = time.monotonic() - began

    assert "does not answer (not in time)" in str(told.value)
    assert "canary" not in str(told.value)
    assert took < LATE


def test_a_minute_is_promised() -> None:
    """What the tests above shorten is below a minute, the command's start included."""
    assert PROBE_SECONDS <= 50
    assert probe.PROBE_SECONDS <= 50


def test_a_wrong_environment_is_one_line_of_both_commands(tmp_path: Path) -> None:
    """At once, with the variable's name and no password, with `--test` and without."""
    socks = {"ALL_PROXY": "socks5://u:canary@127.0.0.1:1", "NO_PROXY": ""}
    config = {"api_key": "phx_canary", "project_id": "1"}
    tested = tap.run(tmp_path, config, args=("--test",), env=socks)
    ran = target.run(
        tmp_path,
        {"webhook_url": "https://hooks.example/canary"},
        target.singer(range(2)),
        env={"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"},
    )

    assert (tested.status, tested.out, ran.code, ran.stdout) == (1, b"", 1, b"")
    assert "| ALL_PROXY names a SOCKS proxy" in tested.err.splitlines()[-1]
    assert "REQUESTS_CA_BUNDLE names /nowhere/ca.pem" in ran.stderr.splitlines()[-1]
    for err in (tested.err, ran.stderr):
        assert "Traceback" not in err
        assert "canary" not in err


@pytest.mark.prove
@pytest.mark.parametrize("play", [hanging, dripping, repeating(status("500 Oops"))])
def test_both_commands_answer_within_a_minute(tmp_path: Path, play: Play) -> None:
    """With the settings that they come with."""
    with RawServer(play) as server:
        config = {"api_key": "phx_canary", "project_id": "1", "base_url": server.url}
        began = time.monotonic()
        outcome = tap.run(tmp_path, config, args=("--test",))
        took = time.monotonic() - began
        url = server.url.replace("http:", "https:")
        began = time.monotonic()
        ended = target.run(
            tmp_path,
            {"webhook_url": f"{url}/canary", "timeout_seconds": 300},
            b"",
            "--test",
        )
        took_too = time.monotonic() - began

    assert (outcome.status, ended.code) == (1, 1)
    assert len(outcome.errors) == 1
    assert took < 60
    assert took_too < 60
