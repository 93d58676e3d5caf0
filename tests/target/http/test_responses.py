"""What a response means, and what is repeated of it, on real sockets."""

from __future__ import annotations

import gzip
import resource
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.http.outcome import Verdict, from_response
from tests.support.receiver import Receiver, Reply
from tests.target.http.attempts import Attempts, post

if TYPE_CHECKING:
    from collections.abc import Callable


HTML = {"Content-Type": "text/html; charset=utf-8"}

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("script", "verdict", "cause"),
    [
        pytest.param(202, Verdict.ACCEPTED, "202", id="accepted"),
        pytest.param(400, Verdict.REJECTED, "400", id="refused"),
        pytest.param(413, Verdict.TOO_LARGE, "413", id="too-large"),
        pytest.param("413:5", Verdict.RETRY, "413", id="too-large-for-now"),
        pytest.param(503, Verdict.HOLD_ALL, "503", id="busy"),
        pytest.param(404, Verdict.FATAL, "404", id="gone"),
        pytest.param("reset", Verdict.RETRY, "connection broken", id="reset"),
        pytest.param(
            "accept-reset", Verdict.RETRY, "connection broken", id="late-reset"
        ),
        pytest.param("cut", Verdict.RETRY, "answer cut off", id="cut"),
        pytest.param("huge", Verdict.ACCEPTED, "200", id="endless-answer"),
        pytest.param("bomb", Verdict.ACCEPTED, "200", id="gzip-bomb"),
    ],
)
def test_every_answer_gets_its_verdict(
    script: str | int, verdict: Verdict, cause: str
) -> None:
    """Whatever a receiver does, one attempt ends with one word for it."""
    with Receiver([script]) as hook:
        outcome = post(hook.url)

    assert (outcome.verdict, outcome.cause) == (verdict, cause)


def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    """A gigabyte and a gzip bomb cost no memory; a thousand characters are kept."""
    with Receiver(["huge", "bomb", "huge"]) as hook, Attempts(hook.url) as attempt:
        attempt()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bomb, huge = attempt(), attempt()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert len(huge.response) == 1000
    assert len(bomb.response) <= 1000
    assert after - before < 20_000  # KiB; the receiver in this process counts too


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect ends the run: the records would go to who knows whom."""
    with Receiver() as other:
        to = {"Location": f"{other.url}/secret-path"}
        with Receiver([Reply(status=status, headers=to)]) as hook:
            outcome = post(hook.url)

    assert outcome.verdict is Verdict.FATAL
    assert "http://127.0.0.1" in outcome.message
    assert "never followed" in outcome.hint
    assert "secret-path" not in outcome.message
    assert not other.requests


@pytest.mark.parametrize(
    ("url", "location", "says"),
    [
        ("/a", "https://elsewhere.example/canary", "to https://elsewhere.example."),
        ("/a", "//elsewhere.example:81/canary", "to http://elsewhere.example:81."),
        ("/a", "https://here.example/a?canary", "leads to https://here.example."),
        ("/a", "http://u:canary@here.example/", "leads to http://here.example."),
        ("/a", "/a/", "to the same path with a slash at its end."),
        ("/a/", "/a", "to the same path without the slash at its end."),
        ("/a", "?canary=1", "leads back to itself."),
        ("/a", "/login/canary", "leads to another path of the same host."),
        ("/a", "", "answered 308 Permanent Redirect."),
        ("/a", "https://[canary", "answered 308 Permanent Redirect."),
    ],
)
def test_a_redirect_says_where_it_leads_without_a_path(
    url: str, location: str, says: str
) -> None:
    """The path is the credential, or may be one; a slash at its end is none."""
    outcome = from_response(
        308,
        "",
        {"Location": location},
        "",
        now=NOW,
        seconds=0,
        url=f"http://here.example{url}",
    )

    assert outcome.message.endswith(says)
    assert "canary" not in f"{outcome.message} {outcome.hint}"


@pytest.mark.parametrize(
    ("status", "headers", "body", "verdict"),
    [
        pytest.param(403, HTML, b"<p>Blocked", Verdict.FATAL, id="firewall"),
        pytest.param(401, {}, b" <!DOCTYPE html>", Verdict.FATAL, id="login"),
        pytest.param(404, {}, b"<html><p>?", Verdict.FATAL, id="no-type"),
        pytest.param(503, HTML, b"<h1>Busy", Verdict.HOLD_ALL, id="gateway"),
        pytest.param(
            403,
            HTML | {"Content-Encoding": "gzip"},
            gzip.compress(b"<html>"),
            Verdict.FATAL,
            id="packed",
        ),
    ],
)
def test_a_web_page_is_said_to_be_one(
    status: int, headers: dict[str, str], body: bytes, verdict: Verdict
) -> None:
    """A firewall or a login may answer in the webhook's place: the host is told."""
    with Receiver([Reply(status, headers, body)]) as hook:
        host = f"http://127.0.0.1:{hook.port}"
        outcome = post(hook.url)

    assert outcome.verdict is verdict
    assert outcome.message.startswith(f"The webhook's host, {host}, answered {status} ")
    assert outcome.message.endswith("with a web page.")
    assert ("firewall" in outcome.hint) == (verdict is Verdict.FATAL)


@pytest.mark.parametrize(
    ("encodings", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS)),
        ("gzip, deflate", lambda body: zlib.compress(gzip.compress(body))),
        ("identity", bytes),
    ],
)
def test_a_reason_is_read_in_every_encoding(
    encodings: str, pack: Callable[[bytes], bytes]
) -> None:
    """Though none was asked for; and secrets are taken out of it as well."""
    body = pack(b"no such column in /api/app/webhooks/wh_canary")
    with Receiver([Reply(400, {"Content-Encoding": encodings}, body)]) as hook:
        outcome = post(hook.url)

    assert outcome.response == "no such column in ***"


@pytest.mark.parametrize("encodings", ["br", "gzip, zstd", "gzip", "deflate"])
def test_a_reason_that_cannot_be_unpacked_is_left_out(encodings: str) -> None:
    """It is no reason to do anything else with the outcome."""
    with Receiver([Reply(400, {"Content-Encoding": encodings}, b"\0canary")]) as hook:
        outcome = post(hook.url)

    assert (outcome.verdict, outcome.response) == (Verdict.REJECTED, "")


def test_a_date_is_read_against_the_answers_own_clock() -> None:
    """The transport hands both headers to the parser."""
    headers = {
        "Date": "Sat, 21 Nov 2026 13:00:00 GMT",
        "Retry-After": "Sat, 21 Nov 2026 13:00:07 GMT",
    }
    with Receiver([Reply(status=429, headers=headers)]) as hook:
        outcome = post(hook.url)

    assert outcome.retry_after == 7
