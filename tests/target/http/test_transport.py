"""What one request carries, and over which connection it goes."""

from __future__ import annotations

import gzip
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.support.receiver import Receiver, Reply
from tests.target.http.attempts import BODY, Attempts, post

if TYPE_CHECKING:
    from pathlib import Path


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the specification's


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
        attempt.transport.post("events", "m", b"{}\n", b"{}\n")

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
