"""Connections that hang, break or are not trusted: one attempt ends in time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from target_patterns_webhook.http.outcome import Verdict
from tests.support import certificate
from tests.support.receiver import Receiver
from tests.target.http.attempts import Attempts, post

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.mark.parametrize("script", ["drip", "drip-head", "hang:30"])
def test_a_request_ends_at_its_total_deadline(script: str) -> None:
    """However slowly bytes drip in, the time that was set is all that it gets."""
    with Receiver([script]) as hook:
        began = time.monotonic()
        outcome = post(hook.url, timeout_seconds=1.5)
        took = time.monotonic() - began

    assert outcome.cause == "time-out"
    assert outcome.timed_out
    assert 1.4 < took < 4


def test_a_receiver_that_stops_reading_is_given_up_too() -> None:
    """A body that nobody takes ends at the deadline as well."""
    import socket  # noqa: PLC0415 - only here

    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        with Attempts(url, timeout_seconds=1.5) as attempt:
            began = time.monotonic()
            big = b"x" * 30_000_000
            outcome = attempt.transport.post("events", "m", big, big)

    assert outcome.cause == "time-out"
    assert time.monotonic() - began < 5


def test_abort_wakes_a_request_at_once() -> None:
    """From another thread, whatever the request is waiting for."""
    with Receiver(["hang:30"]) as hook, Attempts(hook.url) as attempt:
        timer = threading.Timer(0.5, attempt.transport.abort)
        timer.start()
        began = time.monotonic()
        outcome = attempt()
        timer.join()

    assert outcome.verdict is Verdict.RETRY
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
        outcome = post(hook.url)

    assert outcome.verdict is Verdict.FATAL
    assert "certificate is not trusted" in outcome.message
    assert "REQUESTS_CA_BUNDLE" in outcome.hint
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
        outcome = post(hook.url.replace("http:", "https:"))

    assert outcome.verdict is Verdict.FATAL
    assert "does not speak TLS" in outcome.message


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
    outcome = post(url)

    assert (outcome.verdict, outcome.cause) == (Verdict.RETRY, cause)
