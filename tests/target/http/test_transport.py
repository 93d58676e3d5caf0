"""One attempt over HTTP, against real sockets that misbehave."""

from __future__ import annotations

import gzip
import logging
import resource
import threading
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from target_patterns_webhook.delivery.batching import Payload
from target_patterns_webhook.http.outcome import Verdict, from_response
from target_patterns_webhook.http.transport import Transport
from tests.support import certificate
from tests.support.receiver import Receiver, Reply
from tests.support.simulation import settings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from target_patterns_webhook.http.outcome import Outcome

    Post = Callable[..., Outcome]

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BODY = b'[{"id":"1","name":"\xc3\xa9"}]'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's


def post(url: str, **config: Any) -> Outcome:  # noqa: ANN401 - any setting
    """Send one body over a transport of its own."""
    with Attempts(url, **config) as attempt:
        return attempt()


class Attempts:
    """Several attempts over one transport."""

    def __init__(self, url: str, **config: Any) -> None:  # noqa: ANN401 - any setting
        config.setdefault("timeout_seconds", 10)
        given = settings(**{**config, "webhook_url": url})
        self.transport = Transport(given, Payload(given.payload_format))

    def __enter__(self) -> Self:
        """Give the attempts."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.transport.close()

    def __call__(self) -> Outcome:
        """Send the body once."""
        return self.transport.post("msg_a", BODY, self.transport.compress(BODY))


def test_a_request_says_what_it_carries() -> None:
    """A POST of JSON with its id, the user's headers, and no encoded answer wanted."""
    with Receiver() as hook:
        post(hook.url, headers={"X-Token": "t0ken"})
    headers = hook.requests[0].headers

    assert hook.requests[0].wire == BODY
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "msg_a"
    assert headers["accept-encoding"] == "identity"
    assert headers["x-token"] == "t0ken"
    assert "content-encoding" not in headers
    assert "webhook-id" not in headers


def test_ndjson_says_so() -> None:
    """Its content type is not JSON's."""
    with Receiver() as hook, Attempts(hook.url, payload_format="ndjson") as attempt:
        attempt.transport.post("m", b"{}\n", b"{}\n")

    assert hook.requests[0].headers["content-type"] == "application/x-ndjson"


def test_zipped_bodies_are_the_same_each_time() -> None:
    """A zipped body holds no time, so a body sent again is the same to the byte."""
    with Receiver() as hook, Attempts(hook.url, compression="gzip") as attempt:
        attempt()
        time.sleep(1.1)  # gzip's clock has seconds
        attempt()

    first, second = hook.requests
    assert first.wire == second.wire != BODY
    assert gzip.decompress(first.wire) == BODY
    assert first.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_signature_is_one_that_the_standard_library_verifies(
    compression: str,
) -> None:
    """Every attempt verifies over the whole body before compression, and no other."""
    with Receiver() as hook:
        post(hook.url, signing_secret=SECRET, compression=compression)
    request = hook.requests[0]

    verifier = Webhook(SECRET)
    verifier.verify(request.body.decode(), request.headers)
    assert request.headers["webhook-id"] == request.headers["idempotency-key"]
    with pytest.raises(WebhookVerificationError):
        verifier.verify(request.body.decode().replace("1", "2"), request.headers)


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
        answer = post(hook.url)

    assert (answer.verdict, answer.cause) == (verdict, cause)


@pytest.mark.parametrize("script", ["drip", "drip-head", "hang:30"])
def test_a_request_ends_at_its_total_deadline(script: str) -> None:
    """However slowly bytes drip in, the time that was set is all that it gets."""
    with Receiver([script]) as hook:
        began = time.monotonic()
        answer = post(hook.url, timeout_seconds=1.5)
        took = time.monotonic() - began

    assert answer.cause == "time-out"
    assert answer.timed_out
    assert 1.4 < took < 4


def test_a_receiver_that_stops_reading_is_given_up_too() -> None:
    """A body that nobody takes ends at the deadline as well."""
    import socket  # noqa: PLC0415 - only here

    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        with Attempts(url, timeout_seconds=1.5) as attempt:
            began = time.monotonic()
            big = b"x" * 30_000_000
            answer = attempt.transport.post("m", big, big)

    assert answer.cause == "time-out"
    assert time.monotonic() - began < 5


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
            answer = post(hook.url)

    assert answer.verdict is Verdict.FATAL
    assert "http://127.0.0.1" in answer.message
    assert "never followed" in answer.hint
    assert "secret-path" not in answer.message
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
    answer = from_response(
        308,
        "",
        {"Location": location},
        "",
        now=NOW,
        seconds=0,
        url=f"http://here.example{url}",
    )

    assert answer.message.endswith(says)
    assert "canary" not in f"{answer.message} {answer.hint}"


HTML = {"Content-Type": "text/html; charset=utf-8"}


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
        answer = post(hook.url)

    assert answer.verdict is verdict
    assert answer.message.startswith(f"The webhook's host, {host}, answered {status} ")
    assert answer.message.endswith("with a web page.")
    assert ("firewall" in answer.hint) == (verdict is Verdict.FATAL)


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
        answer = post(hook.url)

    assert answer.response == "no such column in ***"


@pytest.mark.parametrize("encodings", ["br", "gzip, zstd", "gzip", "deflate"])
def test_a_reason_that_cannot_be_unpacked_is_left_out(encodings: str) -> None:
    """It is no reason to do anything else with the answer."""
    with Receiver([Reply(400, {"Content-Encoding": encodings}, b"\0canary")]) as hook:
        answer = post(hook.url)

    assert (answer.verdict, answer.response) == (Verdict.REJECTED, "")


def test_a_date_is_read_against_the_answers_own_clock() -> None:
    """The transport hands both headers to the parser."""
    headers = {
        "Date": "Sat, 21 Nov 2026 13:00:00 GMT",
        "Retry-After": "Sat, 21 Nov 2026 13:00:07 GMT",
    }
    with Receiver([Reply(status=429, headers=headers)]) as hook:
        answer = post(hook.url)

    assert answer.retry_after == 7


def test_a_netrc_replaces_no_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that lie about for this host are not sent to it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Receiver() as hook:
        post(hook.url, headers={"Authorization": "Bearer mine"})
        post(hook.url)

    assert hook.requests[0].headers["authorization"] == "Bearer mine"
    assert "authorization" not in hook.requests[1].headers


def test_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used, and NO_PROXY spares hosts from it."""
    with Receiver() as proxy, Receiver() as hook:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        post("http://webhook.invalid/hook")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        post(hook.url)

    paths = [request.path for request in proxy.requests]
    assert paths == ["http://webhook.invalid/hook"]
    assert len(hook.requests) == 1


def test_one_connection_serves_many_requests() -> None:
    """Connections are kept, also after rejections."""
    with Receiver([200, 503, 400]) as hook, Attempts(hook.url) as attempt:
        for _ in range(20):
            attempt()

    assert hook.connections == 1


def test_a_kept_connection_that_was_reset_is_told_apart() -> None:
    """Only then is the batch sent again at once; a first connection is no excuse."""
    with Receiver([200, "reset"]) as hook, Attempts(hook.url) as attempt:
        attempt()
        assert attempt().stale
    with Receiver(["reset"]) as hook:
        assert not post(hook.url).stale


def test_abort_wakes_a_request_at_once() -> None:
    """From another thread, whatever the request is waiting for."""
    with Receiver(["hang:30"]) as hook, Attempts(hook.url) as attempt:
        timer = threading.Timer(0.5, attempt.transport.abort)
        timer.start()
        began = time.monotonic()
        answer = attempt()
        timer.join()

    assert answer.verdict is Verdict.RETRY
    assert time.monotonic() - began < 5


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1 that nobody trusts, and its authority's file."""
    return certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(
    authority: tuple[ssl.SSLContext, Path],
) -> Callable[..., AbstractContextManager[Receiver]]:
    """Give receivers that speak TLS."""
    return lambda script: Receiver(script, tls=authority[0])


def test_an_untrusted_certificate_ends_the_run(
    tls: Callable[..., AbstractContextManager[Receiver]],
) -> None:
    """It is not retried, and no record is sent past it."""
    with tls([]) as hook:
        answer = post(hook.url)

    assert answer.verdict is Verdict.FATAL
    assert "certificate is not trusted" in answer.message
    assert "REQUESTS_CA_BUNDLE" in answer.hint
    assert not hook.requests


def test_https_keeps_the_deadline_too(
    tls: Callable[..., AbstractContextManager[Receiver]],
    authority: tuple[ssl.SSLContext, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a trusted authority TLS delivers, and drips are cut off as without it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority[1]))
    with tls([200, "drip"]) as hook, Attempts(hook.url, timeout_seconds=2) as attempt:
        assert attempt().status == 200
        assert attempt().cause == "time-out"

    assert hook.connections == 1


def test_https_to_a_port_without_tls_ends_the_run() -> None:
    """Waiting would not help."""
    with Receiver() as hook:
        answer = post(hook.url.replace("http:", "https:"))

    assert answer.verdict is Verdict.FATAL
    assert "does not speak TLS" in answer.message


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        pytest.param(
            "http://127.0.0.1:9/wh_canary", "connection refused", id="refused"
        ),
        pytest.param("http://no.invalid/wh_canary", "name not found", id="no-name"),
    ],
)
def test_a_receiver_that_is_not_there_is_tried_again(url: str, cause: str) -> None:
    """A host that is down or has no name may be back soon."""
    answer = post(url)

    assert (answer.verdict, answer.cause) == (Verdict.RETRY, cause)


def test_no_secret_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """A receiver that echoes its request learns nothing into our files or logs."""
    caplog.set_level(logging.DEBUG)
    token = "tok_canary_1234"  # noqa: S105 - a canary
    echo = (
        b"no route /api/app/webhooks/wh_canary?key=q_canary_9 for Bearer "
        b"tok_canary_1234 "
        b'{"path": "\\/api\\/app\\/webhooks\\/wh_canary"} '
        b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    )
    scripts: list[Any] = ["reset", "cut", "drip", Reply(status=404, body=echo)]
    scripts.append(Reply(status=301, headers={"Location": "/wh_canary"}))
    scripts.append(Reply(status=200, headers={"Broken header": "x\r\n y\r\n\x00: z"}))
    with Receiver(scripts) as hook:
        with Attempts(
            f"{hook.url}?key=q_canary_9",
            headers={"Authorization": f"Bearer {token}"},
            signing_secret=SECRET,
            timeout_seconds=1,
        ) as attempt:
            said = [repr(attempt()) for _ in scripts]
        dead = hook.url
    said.append(repr(post(dead)))
    text = "\n".join(said) + caplog.text

    assert "no route ***" in text
    for canary in ("canary", SECRET.removeprefix("whsec_")):
        assert canary not in text
